"""What an attacker writes where a word is expected."""

SQL = (
    "'; DROP TABLE jobs; --",
    "' OR '1'='1",
    "1); DELETE FROM jobs; --",
    "\\'; SELECT pg_sleep(60); --",
    "$$; DROP TABLE jobs; $$",
    "'/**/UNION/**/SELECT/**/key_sha256/**/FROM/**/api_keys--",
    "%27%20OR%201=1",
    "\u02bc; DROP TABLE jobs; --",
    "%(p)s :p $1 {0}",
    "') TO PROGRAM 'touch /tmp/owned", "\\copy jobs to '/tmp/x'",
)  # fmt: skip

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example")',
    "\uff1d1+1",
    '=DDE("cmd";"/C calc";"x")',
)  # fmt: skip

MARKUP = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table><h1>x",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "<!--",
    "]]>",
    '#import "@preview/x:1.0.0"',
    '#read("/etc/passwd")',
    "$ x $ `raw` *bold* _it_ @ref <label>",
    "#panic()",
    "\\u{41} \\", "// comment", "{{ 7*7 }} {% raw %}", "a,b\r\nc,\"d\"", "\u202etxt.exe", "\u0007\u001b[31m",
)  # fmt: skip

PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..\\..\\etc\\passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "..;/etc/passwd",
    "calendar.csv%00.pdf",
    "calendar.csv/",
    "./calendar.csv",
    "%252e%252e%252fetc%252fpasswd",
    "CALENDAR.CSV",
    "calendar.csv ",
    "file:///etc/passwd",
    "\u2025/etc/passwd",
    "con",
    "~root/.ssh/id_rsa",
)  # fmt: skip
