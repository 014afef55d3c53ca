package engine

const crashDirectory = "RUNROLLUP_CRASH_DIRECTORY"

func crashingProcess(string) {}
