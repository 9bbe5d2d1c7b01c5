"""Connects with one client library, told to allow as much as it can be told, and prints what it is and how that ended as JSON."""
import json
import os
import sys

name, port, ca, conf = sys.argv[1:]
os.environ["OPENSSL_CONF"] = conf
os.environ["GRPC_SSL_CIPHER_SUITES"] = "ALL"


def pyopenssl():
    import socket

    import OpenSSL
    from OpenSSL import SSL

    yield OpenSSL.__version__
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    connection = SSL.Connection(context, socket.create_connection(("127.0.0.1", int(port)), 5))
    connection.set_connect_state()
    connection.setblocking(1)
    connection.do_handshake()


def pycurl():
    import pycurl

    yield pycurl.version.split()[0].partition("/")[2]
    # The list is OpenSSL's or GnuTLS's, whichever libcurl has; the last one leaves it alone.
    for ciphers in ("DEFAULT@SECLEVEL=0", "NORMAL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT", None):
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, "https://localhost:%s/" % port)
        curl.setopt(pycurl.CAINFO, ca)
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_0)
        curl.setopt(pycurl.WRITEFUNCTION, lambda data: None)
        curl.setopt(pycurl.TIMEOUT, 5)
        if ciphers:
            curl.setopt(pycurl.SSL_CIPHER_LIST, ciphers)
        try:
            return curl.perform()
        except pycurl.error as e:
            last = e
    raise last


def psycopg2():
    import psycopg2

    yield psycopg2.__version__.split()[0]
    psycopg2.connect(host="localhost", hostaddr="127.0.0.1", port=port, user="probe", sslmode="require", ssl_min_protocol_version="TLSv1", connect_timeout=5)


def grpc():
    import grpc

    yield grpc.__version__
    with open(ca, "rb") as roots:
        channel = grpc.secure_channel("localhost:%s" % port, grpc.ssl_channel_credentials(roots.read()))
    grpc.channel_ready_future(channel).result(timeout=3)


said = {"version": "", "text": ""}
try:
    steps = {"pyopenssl": pyopenssl, "pycurl": pycurl, "psycopg2": psycopg2, "grpc": grpc}[name]()
    said["version"] = next(steps)
    for _ in steps:
        pass
except BaseException as e:
    said["text"] = "%s: %s" % (type(e).__name__, e)
print(json.dumps(said))
sys.stdout.flush()
os._exit(0)  # grpc keeps threads
