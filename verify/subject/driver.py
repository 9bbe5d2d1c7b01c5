"""Drives this interpreter's ssl module for the judge: one JSON request per line in, one JSON reply per line out.

Requests run in threads of their own, so that one slow peer does not hold up the rest. With an argument, that
file is loaded as the `_ssl` extension in place of the interpreter's own: so a control's weak peer is made.
"""
import sys

if len(sys.argv) > 1:
    import importlib.machinery
    import importlib.util

    loader = importlib.machinery.ExtensionFileLoader("_ssl", sys.argv[1])
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_ssl", loader))
    loader.exec_module(module)
    sys.modules["_ssl"] = module

import json
import socket
import ssl
import threading

WIRE = {"SSLv3": "0300", "TLSv1": "0301", "TLSv1.1": "0302", "TLSv1.2": "0303", "TLSv1.3": "0304"}
BOUND = {"0300": "SSLv3", "0301": "TLSv1", "0302": "TLSv1_1", "0303": "TLSv1_2", "0304": "TLSv1_3"}
FIXED = ("SSLv3", "TLSv1", "TLSv1_1", "TLSv1_2")
output = threading.Lock()
servers = {}


def lowered(ctx, setup):
    """Applies the parts of a setup that clients and servers share."""
    if setup.get("ciphers") or setup.get("level0"):
        ctx.set_ciphers(setup.get("ciphers") or "DEFAULT@SECLEVEL=0")
    if setup.get("legacy"):
        ctx.options |= 0x4  # OP_LEGACY_SERVER_CONNECT, which has a name since 3.12
    if setup.get("min"):
        ctx.minimum_version = getattr(ssl.TLSVersion, BOUND[setup["min"]])
    if setup.get("max"):
        ctx.maximum_version = getattr(ssl.TLSVersion, BOUND[setup["max"]])
    if setup.get("min") == "0300":
        ctx.options &= ~ssl.OP_NO_SSLv3
    return ctx


def client(request):
    setup, kind = request["setup"], request["setup"].get("context", "")
    if kind == "default":
        ctx = ssl.create_default_context(cafile=request["ca"])
    elif kind == "":
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        ctx = ssl.SSLContext(getattr(ssl, "PROTOCOL_" + kind))
        ctx.verify_mode = ssl.CERT_REQUIRED
    if kind != "default":
        ctx.load_verify_locations(cafile=request["ca"])
    if setup.get("crl"):
        ctx.load_verify_locations(cafile=request["crl"])
        ctx.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if setup.get("any_name") or setup.get("insecure"):
        ctx.check_hostname = False
    if setup.get("insecure"):
        ctx.verify_mode = ssl.CERT_NONE
    if setup.get("long"):
        ctx.set_alpn_protocols([letter * 250 for letter in "abcdef"])
    if request["own"]:
        ctx.load_cert_chain(request["own"], request["own_key"], request["password"] or None)
    return lowered(ctx, setup)


def refusal(e):
    """Brings an exception into a report; what is no verdict of the library is a problem."""
    if isinstance(e, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return {"report": {"reason": "EOF", "text": str(e)}}
    if isinstance(e, ssl.SSLError) and not isinstance(e, ssl.SSLSyscallError):
        # An older table of reasons does not know the newest, and leaves them in the text: "[SSL] some words (_ssl.c:992)".
        words = getattr(e, "reason", None) or str(e).split("] ")[-1].split(" (_ssl")[0]
        if "No cipher can be selected" in words:  # set_ciphers of all versions says so, without a reason
            words = "NO_CIPHER_MATCH"
        why = {"reason": words.upper().replace(" ", "_"), "text": str(e)}
        if isinstance(e, ssl.SSLCertVerificationError):
            why["verify"] = e.verify_code
        return {"report": why}
    if isinstance(e, ValueError):
        return {"report": {"reason": "ValueError", "text": str(e)}}
    if isinstance(e, (ConnectionResetError, BrokenPipeError)):
        return {"report": {"reason": "RESET", "text": str(e)}}
    return {"problem": "%s: %s" % (type(e).__name__, e)}


def spoken(tls):
    return {"ok": True, "version": WIRE[tls.version()], "cipher": tls.cipher()[0]}


def connect(request):
    ctx = client(request)
    host, port = request["addr"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), request["timeout"]) as plain:
        with ctx.wrap_socket(plain, server_hostname="localhost") as tls:
            report, said, want = spoken(tls), b"", request["greeting"].encode()
            while len(said) < len(want):  # TLS 1.0 splits a record after its first byte
                part = tls.recv(len(want) - len(said))
                if not part:
                    break
                said += part
            return {"report": report} if said == want else {"problem": "the server said %r" % said}


def serve(request):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(request["cert"], request["key"])
    lowered(ctx, request["setup"])
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(request["timeout"])
    result = {}
    thread = threading.Thread(target=accept, args=(ctx, listener, request["timeout"], result), daemon=True)
    servers[request["id"]] = thread, result
    thread.start()
    return {"addr": "127.0.0.1:%d" % listener.getsockname()[1]}


def accept(ctx, listener, timeout, result):
    try:
        with listener, listener.accept()[0] as plain:
            plain.settimeout(timeout)
            with ctx.wrap_socket(plain, server_side=True) as tls:
                result.update({"report": spoken(tls)})
    except Exception as e:
        result.update(refusal(e))


def report(request):
    thread, result = servers.pop(request["server"])
    thread.join(request["timeout"])
    return dict(result) if result else {"problem": "the server's connection has not ended"}


def has(request):
    """Names what the module says it has, and which fixed-version contexts it makes."""
    facts = [name for name in dir(ssl) if name.startswith("HAS_") and getattr(ssl, name)]
    for name in FIXED:
        try:
            ssl.SSLContext(getattr(ssl, "PROTOCOL_" + name))
            facts.append("PROTOCOL_" + name)
        except (AttributeError, ValueError):
            pass
    return {"report": {"facts": facts}}


def loaded(request):
    """Names the files behind ssl and _ssl, where the standard library is, and what has() does."""
    import sysconfig

    extension = ssl._ssl
    code = getattr(extension, "__file__", None) or ("built-in" if "_ssl" in sys.builtin_module_names else "?")
    facts = ["ssl " + ssl.__file__, "_ssl " + code, "library " + sysconfig.get_path("stdlib")]
    return {"report": {"facts": facts + has(request)["report"]["facts"]}}


OPS = {"connect": connect, "serve": serve, "report": report, "has": has, "loaded": loaded}


def handle(request):
    try:
        reply = OPS[request["op"]](request)
    except Exception as e:
        try:
            reply = refusal(e)
        except Exception as fault:
            reply = {"problem": "%s, on top of %s" % (fault, e)}
    reply["id"] = request["id"]
    with output:
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def main():
    for line in sys.stdin:
        threading.Thread(target=handle, args=(json.loads(line),), daemon=True).start()
