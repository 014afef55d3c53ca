"""Secrets of all kinds, to be planted in a job and looked for in what leaves it."""

from __future__ import annotations

from typing import Final

SECRETS: Final = {
    "url": "cannot connect to postgresql://etl:{}@db.internal:5432/shop",
    "url with @": "amqp://guest:p@{}@queue/",
    "password=": "dsn host=db password={} sslmode=require",
    "PASSWORD:": "DB_PASSWORD: {}",
    "json": '{{"user": "etl", "password": "{}", "rows": 3}}',
    "python dict": "{{'api_key': '{}', 'rows': 3}}",
    "query": "GET https://api.example/v1?api_key={}&page=2",
    "signature": "https://bucket.example/x.csv?X-Amz-Signature={}&X-Amz-Date=20260301",
    "Authorization": "Authorization: Bearer {}",
    "authorization json": '{{"authorization": "Basic {}"}}',
    "bearer": "sent bearer {}abcdefghijk",
    "x-api-key": "x-api-key: {}",
    "cookie": "Set-Cookie: session_id={}; Path=/",
    "flag": "pg_restore --password {} --jobs 4",
    "flag=": "run.sh --client-secret={}",
    "token": "token={}",
    "secret": "aws_secret_access_key = {}",
    "account key": "AccountName=x;AccountKey={};EndpointSuffix=core.windows.net",
    "private key": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "connection": "Server=db;Uid=etl;Pwd={};",
}
"""Kind -> text with a secret in it; {} is the secret itself."""

TOKENS: Final = {
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "google": "AIza" + "SyD4" * 8 + "abc",
    "github": "ghp_" + "a1B2" * 9,
    "gitlab": "glpat-" + "x1y2z3" * 4,
    "slack": "xoxb-123456789012-abcdefghijkl",
    "stripe": "sk_live_" + "4eC39H" * 4,
    "npm": "npm_" + "Ab12" * 9,
    "pypi": "pypi-" + "AgEIcHlwaS5vcmc" * 4,
    "sendgrid": "SG." + "aB3d" * 5 + "." + "eF6h" * 10,
    "databricks": "dapi" + "0123456789abcdef" * 2,
    "vault": "hvs." + "CAESI" * 6,
    "hugging face": "hf_" + "aBcDeFgH" * 4,
}
"""Kind -> a token that is recognised by its shape."""
