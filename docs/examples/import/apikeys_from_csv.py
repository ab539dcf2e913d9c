#!/usr/bin/env python3
"""Makes ApiKeys of the rows of a table of hashed keys. See docs/guides/importing-keys.md.

Reads CSV with a header on standard input, and writes a List of ApiKeys in JSON, as kubectl applies it, on standard output.
Rows that cannot become an ApiKey go, as they came, to the file that --rejected names, with their line in import_line and
what is wrong with them in import_problem; correct them there, empty import_problem, and run that file through again. Exit
status: 0, 3 where rows were rejected, 2 where nothing could be read.

Columns: name and key_hash; and where there are any of them key_prefix, display_name, owner, tenant, permissions, expires_at.
Others are left alone. Needs Python 3.7 or later and nothing else.
"""

import argparse
import csv
import datetime
import hashlib
import json
import os
import re
import sys

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
PERMISSION = re.compile(r"(?=.{1,64}$)([*]|[A-Za-z0-9_-]+([:.][A-Za-z0-9_-]+)*([:.][*])?)")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SHOWN = 12  # characters of key_prefix that become the hint; a hint has 16 at most
OTHER_HASHES = {
    re.compile(r"[$]2[abxy]?[$].*"): "bcrypt",
    re.compile(r"[$]argon2.*"): "Argon2",
    re.compile(r"[$](scrypt|7)[$].*"): "scrypt",
    re.compile(r"([$]pbkdf2|pbkdf2_).*"): "PBKDF2",
    re.compile(r"[0-9a-fA-F]{32}"): "as long as an MD5",
    re.compile(r"[0-9a-fA-F]{40}"): "as long as a SHA-1",
    re.compile(r"[0-9a-fA-F]{128}"): "as long as a SHA-512",
    re.compile(r"[A-Za-z0-9+/_-]{43}=?"): "base64, it seems: export it in hexadecimal",
}


class Problem(Exception):
    """What is wrong with a row. Never repeats key_hash or key_prefix, where somebody may have put a key."""


def the_hash(row):
    value = row["key_hash"].strip()
    if value.startswith("\\x"):  # as PostgreSQL shows bytea
        value = value[2:]
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        value = value.lower()
        if value == hashlib.sha256(b"").hexdigest():
            raise Problem("key_hash is the SHA-256 of nothing")
        return value
    for pattern, kind in OTHER_HASHES.items():
        if pattern.fullmatch(value):
            raise Problem("key_hash is no SHA-256 in hexadecimal but " + kind)
    raise Problem("key_hash is not 64 hexadecimal digits")


def the_hint(row, sha256):
    prefix = row["key_prefix"]
    if hashlib.sha256(prefix.encode()).hexdigest() == sha256:
        raise Problem("key_prefix holds the whole key: replace that key, who could read the table knows it")
    if CONTROL.search(prefix):
        raise Problem("key_prefix holds control characters")
    return prefix[:SHOWN] + "…" if prefix else ""


def one_line(row, column, default=""):
    value = row[column] or default
    if CONTROL.search(value) or len(value) > 128:
        raise Problem(column + " is longer than 128 characters or more than one line")
    return value


def the_permissions(row, default):
    found = re.split(r"[\s,;|]+", (row["permissions"] or default).strip("{} \t"))
    found = sorted({p.strip('"') for p in found} - {""})
    for permission in found:
        if not PERMISSION.fullmatch(permission):
            raise Problem("permissions must be segments of letters, digits, '_' and '-' joined by ':' or '.', such as customers:view")
    if len(found) > 64:
        raise Problem("permissions holds more than 64")
    return found


def the_expiry(row, default, now):
    text = (row["expires_at"] or default).strip()
    if not text:
        return ""
    text = re.sub(r"([+-]\d\d)$", r"\1:00", re.sub(r"[Zz]$", "+00:00", text))
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Problem("expires_at is no time such as 2027-01-10T23:59:59Z") from None
    if moment.tzinfo is None:
        raise Problem("expires_at has no time zone")
    if moment <= now:
        raise Problem("expires_at has passed: there is nothing to import")
    if moment.year >= 2199:
        raise Problem("expires_at is later than 2198: leave it empty for a key that does not expire")
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def api_key(row, options, now):
    """The ApiKey of a row, whose columns are all there. Raises Problem."""
    name = row["name"].strip()
    if len(name) > 253 or not NAME.fullmatch(name):
        raise Problem("name must be lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit")
    sha256 = the_hash(row)
    tenant = row["tenant"].strip() or options.tenant
    if tenant and not TENANT.fullmatch(tenant):
        raise Problem("tenant must be up to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit")
    spec = {
        "displayName": one_line(row, "display_name"),
        "owner": one_line(row, "owner", options.owner),
        "tenant": tenant,
        "permissions": the_permissions(row, options.permissions),
        "expiresAt": the_expiry(row, options.expires_at, now),
    }
    spec = {field: value for field, value in spec.items() if value}
    spec["source"] = {"hash": {"sha256": sha256}}
    hint = the_hint(row, sha256)
    if hint:
        spec["source"]["hash"]["hint"] = hint
    metadata = {"name": name, "namespace": options.namespace}
    if options.label:
        metadata["labels"] = dict(options.label)
    return {"apiVersion": "apikey-operator.dev/v1alpha1", "kind": "ApiKey", "metadata": metadata, "spec": spec}


def convert(reader, options, now):
    """The ApiKeys, and the rows that are none: (line, row, problem)."""
    keys, rejected, names, hashes = [], [], {}, {}
    columns = ("name", "key_hash", "key_prefix", "display_name", "owner", "tenant", "permissions", "expires_at")
    for row in reader:
        line = reader.line_num
        try:
            if row.get("import_problem"):
                raise Problem(row["import_problem"])
            if None in row or None in row.values():
                raise Problem("has another number of columns than the header")
            known = {column: row.get(column, "") for column in columns}
            known = {column: "" if value == "\\N" else value for column, value in known.items()}  # MySQL's NULL
            key = api_key(known, options, now)
            sha256 = key["spec"]["source"]["hash"]["sha256"]
            for what, seen, value in (("name", names, key["metadata"]["name"]), ("key_hash", hashes, sha256)):
                if value in seen:
                    raise Problem("has the same %s as line %d" % (what, seen[value]))
            names[key["metadata"]["name"]] = hashes[sha256] = line
            keys.append(key)
        except Problem as problem:
            rejected.append((line, row, str(problem)))
    return keys, rejected


def write_rejected(path, fields, rejected):
    fields = [f for f in fields if f not in ("import_line", "import_problem")]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(fields + ["import_line", "import_problem"])
        for line, row, problem in rejected:
            writer.writerow([row.get(f) or "" for f in fields] + [line, problem] + (row.get(None) or []))


def label(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name, value


def parse(arguments):
    parser = argparse.ArgumentParser(description="Make ApiKeys of the rows of a table of hashed keys.")
    parser.add_argument("--namespace", required=True, help="of the ApiKeys")
    parser.add_argument("--rejected", required=True, metavar="FILE", help="where rows go that cannot become an ApiKey")
    parser.add_argument("--owner", default="", help="where a row names none")
    parser.add_argument("--tenant", default="", help="where a row names none")
    parser.add_argument("--permissions", default="", help="where a row names none")
    parser.add_argument("--expires-at", default="", help="where a row names none, such as 2027-12-31T23:59:59Z")
    parser.add_argument("--label", action="append", type=label, metavar="NAME=VALUE", help="of every ApiKey; repeatable")
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    sys.stdin.reconfigure(encoding="utf-8-sig", newline="")
    sys.stdout.reconfigure(encoding="utf-8")
    reader = csv.DictReader(sys.stdin, strict=True)
    missing = {"name", "key_hash"} - set(reader.fieldnames or [])
    if missing:
        print("the header has no column " + " and no ".join(sorted(missing)), file=sys.stderr)
        return 2
    try:
        keys, rejected = convert(reader, options, datetime.datetime.now(datetime.timezone.utc))
    except (csv.Error, UnicodeDecodeError) as error:
        print("line %d: %s; nothing was written" % (reader.line_num, error), file=sys.stderr)
        return 2
    write_rejected(options.rejected, reader.fieldnames, rejected)
    json.dump({"apiVersion": "v1", "kind": "List", "items": keys}, sys.stdout, indent=2, ensure_ascii=False)
    print()
    for line, _, problem in rejected:
        print("line %d: %s" % (line, problem), file=sys.stderr)
    print("%d ApiKeys, %d rows rejected" % (len(keys), len(rejected)), file=sys.stderr)
    return 3 if rejected else 0


if __name__ == "__main__":
    sys.exit(main())
