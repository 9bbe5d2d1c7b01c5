# The client libraries that people run, driven the way that their guides say. The judge's server is real TLS to them; what they are asked
# for is answered by it, or by a real server of their protocol behind it.
import os
import re
import site
import subprocess

# pyOpenSSL's errors are lists of (library, function, reason), and only their text may be left.
LISTED = re.compile(r"\('SSL routines', '[^']*', '([^']+)'\)")
NAMED = re.compile(r"\[SSL: ([A-Z0-9_]+)\] [\w ]+(?:: ([^(]+) \(_ssl)?")

# The words of X509_verify_cert_error_string(3ssl) for those that the judge provokes: some libraries leave nothing but the text.
VERIFY = {"unable to get local issuer certificate": 20, "certificate has expired": 10, "certificate is not yet valid": 9, "certificate revoked": 23}


def causes(e):
    """Yields an exception and those that it wraps, in any of the ways that libraries do."""
    queue, seen = [e], []
    while queue and len(seen) < 32:
        e = queue.pop(0)
        if not isinstance(e, BaseException) or any(e is other for other in seen):
            continue
        seen.append(e)
        yield e
        queue += [getattr(e, "reason", None), getattr(e, "error", None), e.__cause__, e.__context__, *getattr(e, "args", ())]
        queue += getattr(e, "kwargs", {}).values() if isinstance(getattr(e, "kwargs", None), dict) else []


def wrapped(e):
    """Brings a library's exception into a report: the ssl module's own, wherever it stands in it."""
    text = "%s: %s" % (type(e).__name__, e)
    found = list(causes(e))
    for cause in found:
        if isinstance(cause, (ssl.SSLError, ssl.CertificateError)):
            answer = refusal(cause)
            if "report" in answer:
                answer["report"]["text"] = text
                return answer
    for cause in found:
        listed = LISTED.search(str(cause))
        if listed:
            return {"report": {"reason": listed.group(1).upper().replace(" ", "_"), "text": text}}
        named = NAMED.search(str(cause))
        if named:
            words = named.group(2) or ""
            code = 62 if words.startswith("Hostname mismatch") else VERIFY.get(words, 0)
            return {"report": {"reason": named.group(1), "text": text, "verify": code}}
        if type(cause).__name__ == "CertificateError" or "SICertificateError" in str(cause):  # a check of the name after the handshake
            return {"report": {"reason": "CertificateError", "text": text}}
    for cause in found:
        if isinstance(cause, (ConnectionResetError, BrokenPipeError, ValueError)):
            return refusal(cause)
    return {"problem": text}


def permissive(setup):
    return bool(setup.get("min") or setup.get("level0") or setup.get("max"))


def said(text, want):
    return {"report": {"ok": True}} if text == want else {"problem": "the server said %r" % text}


def by_urllib3(request):
    import urllib3

    setup, options = request["setup"], {"ca_certs": request["ca"], "cert_reqs": "CERT_REQUIRED"}
    if permissive(setup):
        ctx = ssl.create_default_context(cafile=request["ca"])
        options = {"ssl_context": lowered(ctx, setup)}
    with urllib3.PoolManager(retries=False, timeout=request["timeout"], **options) as pool:
        return said(pool.request("GET", url(request)).data.decode(), request["greeting"])


def url(request):
    return "https://localhost:%s/" % request["addr"].rsplit(":", 1)[1]


botocore_lock = threading.Lock()


def by_botocore(request):
    """Makes the two calls that everybody begins with. Client and context are made under a lock, since the way to give either is the process's."""
    import botocore.config
    import botocore.httpsession
    import botocore.session

    setup = request["setup"]
    with botocore_lock:
        make = botocore.httpsession.create_urllib3_context
        if permissive(setup):
            botocore.httpsession.create_urllib3_context = lambda *args, **named: lowered(make(*args, **named), setup)
        try:
            session = botocore.session.Session()
            for name in ("config_file", "credentials_file"):  # what the user has set up is not what is tried
                session.set_config_variable(name, "/dev/null")
            session.set_credentials("AKIAEXAMPLE", "an example's secret")
            config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=request["timeout"], read_timeout=request["timeout"],
                s3={"addressing_style": "path"})
            clients = [session.create_client(name, region_name="us-east-1", endpoint_url=url(request), verify=request["ca"], config=config) for name in ("sts", "s3")]
        finally:
            botocore.httpsession.create_urllib3_context = make
    account = clients[0].get_caller_identity()["Account"]
    buckets = [bucket["Name"] for bucket in clients[1].list_buckets()["Buckets"]]
    return said("%s %s" % (account, buckets), "123456789012 ['%s']" % request["greeting"].strip())


def by_pymongo(request):
    """Waits for the first word of the client's monitor, and then asks the server for something."""
    import pymongo
    import pymongo.client_options
    import pymongo.monitoring

    setup, heard = request["setup"], []
    known = threading.Event()

    class Listener(pymongo.monitoring.ServerHeartbeatListener):
        def started(self, event):
            pass

        def succeeded(self, event):
            known.set()

        def failed(self, event):
            heard.append(event.reply)
            known.set()

    options = {"tls": True, "tlsCAFile": request["ca"]}
    if request["own"]:
        options["tlsCertificateKeyFile"] = request["own_pair"]
        if request["password"]:
            options["tlsCertificateKeyFilePassword"] = request["password"]
    for name, option in (("crl", "tlsCRLFile"), ("insecure", "tlsInsecure"), ("any_cert", "tlsAllowInvalidCertificates"), ("any_name", "tlsAllowInvalidHostnames"), ("no_endpoint", "tlsDisableOCSPEndpointCheck")):
        if setup.get(name):
            options[option] = request["crl"] if name == "crl" else True
    milliseconds = int(request["timeout"] * 1000)
    client = mongo_client(pymongo, setup, "mongodb://localhost:%s/?directConnection=true" % request["addr"].rsplit(":", 1)[1],
        serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds, event_listeners=[Listener()], connect=True, **options)
    try:
        if not known.wait(request["timeout"]):
            return {"problem": "no word from the server in time"}
        if heard:
            return wrapped(heard[0])
        key = client.proof.things.insert_one({"text": request["greeting"]}).inserted_id
        return said(client.proof.things.find_one_and_delete({"_id": key})["text"], request["greeting"])
    finally:
        client.close()


mongo_lock = threading.Lock()


def mongo_client(pymongo, setup, *args, **options):
    """Makes a client. PyMongo makes its context itself, so a permissive one is lowered where it is made."""
    if not permissive(setup):
        with mongo_lock:
            return pymongo.MongoClient(*args, **options)

    def lower(*positional, **named):
        ctx = make(*positional, **named)
        inner = getattr(ctx, "_ctx", None)
        if isinstance(ctx, ssl.SSLContext):
            return lowered(ctx, setup)
        inner.set_cipher_list(b"DEFAULT@SECLEVEL=0")
        inner.set_min_proto_version(int(setup["min"], 16))
        return ctx

    with mongo_lock:
        make = pymongo.client_options.get_ssl_context
        pymongo.client_options.get_ssl_context = lower
        try:
            return pymongo.MongoClient(*args, **options)
        finally:
            pymongo.client_options.get_ssl_context = make


# What libpq says beside OpenSSL's own words, which follow "SSL error: ".
LIBPQ = (
    (re.compile(r"SSL error: ([\w/ ]+)"), None),
    (re.compile(r"does not match host name|server certificate for .* does not match"), "HOST_NAME_MISMATCH"),
    (re.compile(r"could not load private key file"), "PRIVATE_KEY"),
    (re.compile(r"server does not support SSL"), "SERVER_WITHOUT_TLS"),
)


def libpq_options(request):
    """The parameters of a connection, as libpq calls them. "/dev/null/none" keeps the files of a home folder out."""
    setup, host = request["setup"], request["addr"].rsplit(":", 1)
    options = {"host": "localhost", "hostaddr": host[0], "port": host[1], "user": "proof", "dbname": "postgres", "connect_timeout": int(request["timeout"]),
        "passfile": "/dev/null", "sslcert": "/dev/null/none", "sslkey": "/dev/null/none", "sslrootcert": "/dev/null/none", "sslcrl": "/dev/null/none"}
    mode = setup.get("mode") or ("require" if setup.get("insecure") else "verify-ca" if setup.get("any_name") else "verify-full")
    options["sslmode"] = mode
    if mode.startswith("verify"):
        options["sslrootcert"] = request["ca"]
    if setup.get("crl"):
        options["sslcrl"] = request["crl"]
    if request["own"]:
        options.update(sslcert=request["own"], sslkey=request["own_key"])
        if request["password"]:
            options["sslpassword"] = request["password"]
    if setup.get("direct"):
        options["sslnegotiation"] = "direct"
    if setup.get("min"):
        options["ssl_min_protocol_version"] = BOUND[setup["min"]].replace("_", ".")
    return options


def libpq_refusal(text):
    for pattern, name in LIBPQ:
        found = pattern.search(text)
        if found:
            words = name or found.group(1).strip().replace("ssl/tls alert", "sslv3 alert")  # as 3.2 and later call them
            return {"report": {"reason": words.upper().replace(" ", "_"), "text": text}}
    return {"problem": text}


def by_psycopg2(request):
    """Connects as every program on libpq does, and asks the server for something."""
    import psycopg2

    try:
        connection = psycopg2.connect(**libpq_options(request))
    except psycopg2.OperationalError as e:
        return libpq_refusal(str(e).strip())
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s", (request["greeting"],))
        return said(cursor.fetchone()[0], request["greeting"])


def by_psql(request):
    """Has psql do the same: the one beside this Python, or the one that PATH names."""
    program = os.path.join(os.path.dirname(os.path.realpath(sys.executable)), "psql")
    if not os.path.exists(program):
        program = "psql"
    quote = lambda value: "'%s'" % str(value).replace("\\", "\\\\").replace("'", "\\'")
    line = " ".join("%s=%s" % (name, quote(value)) for name, value in libpq_options(request).items())
    query = "SELECT '%s'" % request["greeting"]
    done = subprocess.run([program, "-XAtqw", "-c", query, line], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        return libpq_refusal(done.stderr.strip())
    return said(done.stdout[:-1], request["greeting"])


LIBRARIES = {"urllib3": by_urllib3, "botocore": by_botocore, "pymongo": by_pymongo, "pymongo[ocsp]": by_pymongo, "psycopg2": by_psycopg2, "psql": by_psql}


def library(request):
    for folder in request.get("packages") or ():
        if folder not in sys.path:
            site.addsitedir(folder)
    try:
        return LIBRARIES[request["setup"]["library"]](request)
    except ImportError as e:
        return {"problem": "%s: %s" % (type(e).__name__, e)}
    except Exception as e:
        return wrapped(e)


OPS["library"] = library
