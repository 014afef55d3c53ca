module batchtel/healthcheck

go 1.26
