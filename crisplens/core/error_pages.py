"""What each error means and what to do about it, by slug; `docs/errors.md` is generated from this table."""

ERROR_PAGES: dict[str, str] = {
    "ambiguous-evidence": "A name or the beginning of a digest means more than one evidence file. Give more of the "
    "digest; the message lists them.",
    "as-of": "The record as of a point is for reading: nothing is recorded in the past. Leave `--as-of` out.",
    "bad-actor": "The identity of the actor is empty, too long or holds control characters. "
    "Use a stable identity such as an e-mail address.",
    "bad-address": "The server cannot listen there: the address is not this machine's, or the port is taken.",
    "bad-authority": "The time-stamp authority's URL or its root certificates (PEM) cannot be used.",
    "bad-batch": "Rows that are pushed lack a watched column, have another type in it than the reference, or cannot be "
    "read. All of them are refused: rows that are left out, or counted as something else, would hide drift.",
    "bad-choice": "A value is not one of those that are accepted; the message lists them.",
    "bad-configuration": "`crisplens.toml` is not TOML, holds an unknown key, or a value that is not text. "
    "Known keys: project, registry, evidence, actor, "
    "signing_key, and tables [notifications.NAME].",
    "bad-digest": "A digest is written `sha256:` and 64 hexadecimal digits.",
    "bad-document": "A policy or catalogue file cannot be used; the message gives file, line, column and reason. "
    "`crisplens policy check FILE` reads one without recording it.",
    "bad-endorsement": "The signing key may not endorse this: it is revoked, or none that the registry trusts.",
    "bad-head": "The file holds no tree head. Accepted: what `crisplens audit head` wrote, a signed head, "
    "a proof, a bundle.",
    "bad-key": "The text or file is no Ed25519 key of the kind that is asked for, or it cannot sign.",
    "bad-name": "Names of projects, datasets, models, metrics and the like have 1 to 100 letters, digits, dots, "
    "dashes or underscores and start with a letter or digit.",
    "bad-notice": "A notification channel, or what is sent through it, cannot be used. The message names the key "
    "and what is accepted.",
    "bad-point": "A point of the log is an event's number or an ISO 8601 time, neither beyond the log's end nor before "
    "its first event; of two points, the earlier comes first.",
    "bad-reference": "A version is written `name@number`, such as `customers@1`; versions count from 1.",
    "bad-registry-url": "The URL of the registry cannot be used. Write `sqlite:///path/registry.db` (relative to "
    "the folder of `crisplens.toml`) or `postgresql://user@host/name` with `crisplens[postgres]` installed.",
    "bad-schedule": "A schedule is five cron fields, a shorthand such as `@daily`, or a step such as `every 6h`. The "
    "message names the field that is wrong and what it takes.",
    "bad-scores": "Predicted scores are not probabilities from 0 to 1, or predictions and labels are not of the "
    "kind that was named.",
    "bad-setting": "A setting of a monitor or of the scheduler is out of its range, or does nothing beside another. "
    "The message gives the range, or names both.",
    "bad-signature": "The signature is of something else, by another key, or by one that is not "
    "trusted for this person.",
    "bad-source": "Data cannot be read from where it is said to be. A database is named "
    "`postgresql://host/name#schema.table`, `sqlite:///file.db#table`, `duckdb:///file.duckdb#SELECT ...`, never with "
    "a password or key, and so with every URL.",
    "bad-time": "A time is not ISO 8601, or a run ends before it starts.",
    "bad-token": "The request has no bearer token, or one that the server does not know.",
    "bad-tokens": "The server's tokens cannot be used, or there are none and it was to listen beyond this machine. "
    "Each is a table [[token]] with sha256, actor and projects; `crisplens server token` makes one.",
    "bad-variants": "The variants of a deployment need names of their own and shares that make 100 percent.",
    "bad-window": "Windows are `whole`, `file`, a number of rows, a duration or a calendar unit; windows of time "
    "need a column of times.",
    "batch-taken": "The id of a batch was used for a batch with another number of rows. An id stands for one batch.",
    "batch-too-large": "A batch has more rows or bytes than are taken in at once. Push it in parts.",
    "body-late": "The body of a request did not come in time. Send less at once, or look at the connection.",
    "busy": "The server has as many requests at hand as it takes. Send it again after a while.",
    "cannot-export": "The target cannot say this schedule, name or command. The message says what it can.",
    "changed-since-requested": "Something has changed since the approval was requested. Have it asked for anew.",
    "changed-while-read": "The file was written to while it was read. Check it once its writer is done; writing to "
    "another name and renaming keeps readers safe.",
    "clock": "The clock is behind the log's last event. Set it right, or say that the log's time is wrong.",
    "duties-united": "The policy keeps two duties with different people, and one person would unite them.",
    "duplicate-columns": "Two columns share a name; upper and lower case count as the same. Rename one.",
    "empty-checkpoint": "A checkpoint answers a control, carries evidence or has a summary.",
    "empty-file": "The file has 0 bytes. Check the job that writes it.",
    "empty-text": "A text that must say something is empty.",
    "engine-not-installed": "Evidently, or a pandas that it works with, is missing. "
    "`pip install 'crisplens[evidently]'` brings both (pandas>=2.2,<3.1).",
    "evidence-store": "The folder or object store of evidence files cannot be used (the message says why: it is full, "
    "cannot be reached, has no such bucket, does not take the credentials), or content in it is gone or is not what "
    "was recorded; `crisplens audit verify` tells which. Credentials come from the environment or a profile, never "
    "from the URL.",
    "evidently-failed": "Evidently raised an error or ran out of time; its last line is in the message. "
    "Leave the column out, or use the engine duckdb.",
    "exists": "Something of that name or version exists already, and what is recorded is never overwritten.",
    "fails-verification": "A backup or copy, or the registry that it was made of, did not pass verification; the "
    "message says what was found. Use a backup that passes; `crisplens audit verify` lists all that is wrong.",
    "gate-blocked": "A gate said no, and the message lists the rules that are not met. "
    "`crisplens gate check PHASE` tells what would meet each.",
    "given-up": "A command in a transaction failed, so none of it is recorded. Correct it and run all of it again.",
    "in-use": "Another process has the registry open that a backup is to replace. Stop it first.",
    "ledger-damaged": "The ledger's own rows are missing or unreadable. `crisplens audit verify` names them; "
    "restore the database from a backup.",
    "lease-lost": "A scheduler lost its lease on a monitor while it checked it, and another one goes on: nothing is "
    "recorded twice.",
    "library-missing": "A library of an extra is not installed; the message names the extra.",
    "last-key": "The only log key is not revoked: without one nothing could be endorsed. Make the next one first.",
    "malformed-pair": "An option takes `NAME=VALUE` or a form like it; the message shows an example.",
    "mixed-formats": "One pattern matched files of different formats. Use one that matches a single format.",
    "no-actor": "Every change is recorded with who made it. Pass `--actor`, or set CRISPLENS_ACTOR, `actor` in "
    "`crisplens.toml`, or git's user.email.",
    "no-administrator": "A project with roles has an administrator: the first role that is granted, and the last that "
    "is kept.",
    "no-header": "A CSV's first line has no column names. Add them.",
    "no-metric": "An evaluation has at least one metric.",
    "no-project": "The command is about a project, and none is named. Pass `--project`, or set CRISPLENS_PROJECT or "
    "`project` in `crisplens.toml`.",
    "no-reason": "An answer to a control has a reason, or the checkpoint carries evidence.",
    "no-registry": "There is no registry where one was looked for. Make one with `crisplens init`, or name another.",
    "no-role": "The actor does not hold the role that this takes. `crisplens role list` shows who does; an "
    "administrator grants roles.",
    "no-comparison": "No column of the reference has enough values that a window could be compared with. Give one with "
    "more rows, watch other columns, or lower --minimum-rows.",
    "no-rows": "The table has columns but no rows. Give one with rows.",
    "no-schedule": "The monitor is checked by hand. `crisplens monitor change NAME --schedule WHEN` gives it one.",
    "no-signing-key": "There is no private key to sign with. Make one with `crisplens key generate`, or name it.",
    "no-ssh-keygen": "OpenSSH's ssh-keygen signs for people. Install it, or sign elsewhere and pass the signature.",
    "no-such-file": "No file has that path or matches that pattern. Check the spelling and the folder named in the "
    "message; quote patterns in the shell.",
    "no-timestamp": "There is no valid time stamp: the authority refused or cannot be reached, or it is of "
    "something else.",
    "not-a-copy": "The target of `registry copy` is not empty and not an earlier copy of the same registry, or someone "
    "recorded in it. Copy to an empty database, and record in only one of the two.",
    "not-a-file": "The path is a folder or a special file. Name a file, or a pattern such as `'data/*.parquet'`.",
    "not-a-number": "A number is not finite or not a number at all. Decimals have a point, not a comma.",
    "not-a-registry": "The file or database is there, but holds no crisplens schema.",
    "labels-awaited": "Too few of the window's predictions have a label yet. It stays open, and is checked once enough "
    "have come; after its deadline it is recorded as bad data.",
    "no-credentials": "The database or object store asks for credentials, and none are given or they are not taken. "
    "The hint names what to set.",
    "mixed-columns": "Files of one pattern differ: one lacks a column that others have, or holds another type in "
    "it.",
    "telemetry-not-sent": "The OpenTelemetry collector cannot be reached or refused the metrics. Check "
    "OTEL_EXPORTER_OTLP_ENDPOINT.",
    "telemetry-off": "OTEL_SDK_DISABLED, or a protocol other than http/protobuf, keeps metrics from being sent.",
    "not-calibrated": "The reference has no scores, only one class, no labelled row, or a metric that is the worst "
    "already. Give labelled predictions of both classes.",
    "not-delivered": "A channel did not take a test notification; the message says why.",
    "not-exact": "The ledger keeps only what JSON holds exactly: finite numbers, integers within ±(2**53 - 1), "
    "Unicode text without NUL characters.",
    "not-installed": "An optional library is missing; the hint names the extra to install.",
    "not-open": "What was to be answered is closed, taken on or decided already.",
    "not-signed": "The approval carries no signature.",
    "not-sqlite": "Backups are files of SQLite. For PostgreSQL use `crisplens registry copy`, or its own pg_dump.",
    "not-utf8": "The file has bytes that are not UTF-8. Convert it, for example with `iconv`.",
    "not-pushed": "Rows are pushed to monitors whose `--current` is `push:`, which watch for drift with the engine "
    "duckdb and scores from profiles: of pushed rows nothing else is kept.",
    "not-requested": "The policy takes approvals that were asked for. The author asks: "
    "`crisplens approval request PHASE`.",
    "nested-transaction": "A thread gave a command to a registry while it had a transaction open on it, and would have "
    "waited for itself. Give it to what `with registry.transaction() as ...` names.",
    "nothing-due": "No window of the monitor is complete and not yet checked. Windows close at their end plus the "
    "lateness.",
    "nothing-to-approve": "The phase has no checkpoint in the current cycle. Record one first.",
    "nothing-to-change": "An update gives at least one field another value than it has.",
    "notification-spool": "The folder of waiting notifications cannot be used; the message says why.",
    "open-key": "Others may read the private key's file. Make it readable for you alone, and "
    "consider rotating the key.",
    "override-forbidden": "The policy forbids overrides, or lets other roles make them.",
    "own-checkpoint": "Nobody decides on a checkpoint that they wrote, nor reviews their own override, where the "
    "policy says so. Someone else has to.",
    "policy-example": "An example that stands in the policy does not come out as it says; "
    "`crisplens policy test FILE` tells which.",
    "profiles-differ": "Profiles with different columns or edges cannot be merged. Profile the windows on the same "
    "reference.",
    "ragged-csv": "A row has too many or too few fields, or a quote never closes. Fix the line named.",
    "redacted": "The content of that evidence was redacted: it must be forgotten, so it is neither handed out nor "
    "kept again. Its digest and the reason stay in the record.",
    "reference-changed": "The engine reads the reference's rows, and they are not those that the monitor was added "
    "with. Restore the file, or use the engine duckdb without exact scores, which needs only the kept profile.",
    "reference-rows-needed": "The engine evidently, exact scores and the method domain_classifier read the reference's "
    "rows. Give its file, or score from profiles.",
    "registry-failed": "The database refused a statement or cannot be reached. Nothing was changed, unless the message "
    "says that this is not known: then look at `crisplens audit log --last 1` before you run it again.",
    "rewritten": "The log is not the continuation of the one whose head was signed last. Find out "
    "why before signing again.",
    "same-name": "Two files of one dataset version have the same name in different folders. Name them apart.",
    "schema-too-new": "The registry was written by a newer crisplens. Upgrade crisplens.",
    "schema-too-old": "The registry was written by an older crisplens. Back it up and run `crisplens db upgrade`.",
    "signature-demanded": "The gate takes signed approvals only. Sign with your SSH key: --sign KEY.",
    "stands-alone": "A redaction removes content for good, a push is a transaction of its own, and a scheduler makes "
    "one for each check: none of them is given within a transaction, which may still fail.",
    "source-unreached": "The object store or database that holds the data cannot be reached; the message says why.",
    "statistics-differ": "Statistics of different bins, classes or kinds cannot be put together.",
    "text-too-long": "A text is longer than is kept in the ledger. Attach long texts as evidence files.",
    "token-scope": "The token is not for this project, or, without tokens, the request is not for this machine.",
    "too-large": "An evidence file is larger than is kept. Attach a note with its digest instead.",
    "too-many-segments": "A segment column has more values than segments can be told apart. Choose one with fewer.",
    "trigger-open": "A trigger is closed by an approved version of its model that was registered after it was raised, "
    "or dismissed with a reason; until then its incident stays open.",
    "unknown-event": "The log holds an event of a type or version that this crisplens does not know. If a newer one "
    "recorded it, upgrade crisplens.",
    "unknown-format": "The extension is not known. Accepted: .csv, .tsv, .jsonl and .ndjson (each also as .gz), "
    ".parquet, .arrow, .arrows and .feather.",
    "unknown-media-type": "The body is not of a type that is taken in: JSON lines, JSON, CSV or an Arrow stream, "
    "in UTF-8 and not compressed.",
    "unknown-name": "Nothing has that name; the message gives the nearest ones.",
    "unreadable-file": "The file is corrupt, truncated, gone or not permitted. Check it with the tool that wrote it.",
    "unwritable": "A file or folder cannot be written. Check the path and its permissions.",
    "version-taken": "That name and version stand for other content. Raise the version, or choose another name.",
    "wrong-method": "That drift method does not fit the column's kind. The hint lists those that do.",
}
