"""Fetch the Tcl suites of Redis and Valkey from Debian's source packages into .cache/tcl.

The suites are not ours, so the repository doesn't hold them. The package mirror is the one this
machine is set up with (read from /etc/apt), asked through apt with a list file and list folder of
our own, so that the machine's own package lists stay as they are.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(ROOT, ".cache", "tcl")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TOOLS = ["redis-cli", "redis-benchmark", "redis-check-rdb", "redis-check-aof", "redis-sentinel"]


class Suite:
    """A source package that holds a suite: where it comes from and what its server is called."""

    def __init__(self, package, release, version, server_name):
        self.package = package
        self.release = release
        self.version = version
        self.server_name = server_name
        self.path = os.path.join(CACHE, f"{package}-{version}")


SUITES = {
    "redis": Suite("redis", "bookworm", "7.0.15", "redis-server"),
    "valkey": Suite("valkey", "trixie", "8.1.1", "valkey-server"),
}


def fetch(name):
    """Makes the suite present and returns its path."""
    suite = SUITES[name]
    if not os.path.exists(os.path.join(suite.path, "tests", "test_helper.tcl")):
        _download(suite)
    _link_tools(suite)
    return suite.path


def copy(name, number):
    """Another copy of a suite that is present, for units that run at the same time: each run of
    the suite begins by clearing its folder. Returns its path."""
    path = SUITES[name].path
    other = os.path.join(CACHE, f"copy-{number}-{os.path.basename(path)}")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(path, other, symlinks=True)
    return other


def link_server(name, path, binary):
    """Lets `binary` stand in as the own server of the suite at `path` (spawn mode)."""
    _symlink(binary, os.path.join(path, "src", SUITES[name].server_name))


def _download(suite):
    work = os.path.join(CACHE, "download-" + suite.package)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(os.path.join(work, "lists", "partial"))
    options = _apt_options(suite, work)
    _run(["apt-get", *options, "update"], work)
    package = f"{suite.package}/{suite.release}"
    unpacked = _run(["apt-get", *options, "source", package], work, check=False) == 0
    if not unpacked:
        # The distribution's patches are out of reach: upstream's archive alone is nearly the same.
        print(f"tcl: {suite.package}: no patched source, taking upstream's archive")
        _run(["apt-get", *options, "source", "--tar-only", "--download-only", package], work)
        _unpack_upstream(suite, work)
    found = [p for p in glob.glob(os.path.join(work, suite.package + "-*")) if os.path.isdir(p)]
    if not found or suite.version not in found[0]:
        raise SystemExit(f"tcl: wanted {suite.package} {suite.version}, got {found}")
    _keep_what_is_needed(found[0], suite.path)
    shutil.rmtree(work)


def _apt_options(suite, work):
    mirror, signed_by = _mirror()
    source_list = os.path.join(work, "sources.list")
    with open(source_list, "w", encoding="utf-8") as out:
        out.write(f"deb-src [signed-by={signed_by}] {mirror} {suite.release} main\n")
    settings = {
        "Dir::Etc::sourcelist": source_list,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": os.path.join(work, "lists"),
        "APT::Sandbox::User": "root",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _mirror():
    """The URI of the main archive that this machine uses, and the keyring that signs it."""
    for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
        with open(path, encoding="utf-8") as text:
            for stanza in re.split(r"\n\s*\n", text.read()):
                fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.M))
                if _is_main_archive(fields.get("URIs", ""), fields.get("Suites", "")):
                    return fields["URIs"].split()[0], _keyring(fields.get("Signed-By", ""))
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list")]:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as text:
            pattern = r"^deb(?:-src)?\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)"
            for options, uri, release in re.findall(pattern, text.read(), re.M):
                if _is_main_archive(uri, release):
                    signed = re.search(r"signed-by=(\S+)", options)
                    return uri, _keyring(signed.group(1) if signed else "")
    raise SystemExit("tcl: no Debian mirror found in /etc/apt")


def _is_main_archive(uris, releases):
    codename = ""
    with open("/etc/os-release", encoding="utf-8") as text:
        codename = re.search(r"^VERSION_CODENAME=(\S+)", text.read(), re.M).group(1)
    return codename in releases.split() and uris.rstrip("/").endswith("debian")


def _keyring(path):
    return path if path.startswith("/") else KEYRING


def _unpack_upstream(suite, work):
    archive = glob.glob(os.path.join(work, "*.orig.tar.*"))[0]
    target = os.path.join(work, f"{suite.package}-{suite.version}")
    os.makedirs(target)
    _run(["tar", "xf", archive, "-C", target, "--strip-components=1"], work)


def _keep_what_is_needed(source, final):
    target = final + ".partial"  # renamed at the end, so that half a suite is never found
    for leftover in (target, final):
        shutil.rmtree(leftover, ignore_errors=True)
    os.makedirs(os.path.join(target, "src"))
    for name in ["tests", "utils", "runtest", "redis.conf", "valkey.conf", "sentinel.conf"]:
        path = os.path.join(source, name)
        if os.path.exists(path):
            shutil.move(path, os.path.join(target, name))
    commands = os.path.join(source, "src", "commands")
    if os.path.isdir(commands):
        shutil.move(commands, os.path.join(target, "src", "commands"))
    os.makedirs(os.path.join(target, "tests", "tmp"), exist_ok=True)
    os.rename(target, final)


def _link_tools(suite):
    for tool in TOOLS:
        path = shutil.which(tool)
        if path:
            for name in {tool, tool.replace("redis", suite.package)}:
                _symlink(path, os.path.join(suite.path, "src", name))


def _symlink(target, link):
    if os.path.islink(link):
        if os.readlink(link) == target:
            return
        os.remove(link)
    os.symlink(target, link)


def _run(command, cwd, check=True):
    log_path = os.path.join(CACHE, "fetch.log")
    with open(log_path, "ab") as log:
        status = subprocess.run(command, cwd=cwd, stdout=log, stderr=log, check=False).returncode
    if check and status != 0:
        raise SystemExit(f"tcl: {command[0]} failed ({status}), see {log_path}")
    return status


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SUITES:
        print(fetch(wanted))
