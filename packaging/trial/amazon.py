# An instance's metadata service, S3 and DynamoDB on 127.0.0.1:8000, as far as the SSM document and the relay ask them. The bucket "packages" has
# what is in /old and /new, and /new's version is the latest. internal/template's tests look at the signatures; here they are not.
import glob
import http.server
import re

versions = {re.search("_(.*)_amd64", glob.glob(d + "/*_amd64.deb")[0]).group(1): d for d in ("/old", "/new")}
fixed = {
    "/latest/api/token": b"token",
    "/latest/meta-data/iam/security-credentials/": b"role",
    "/latest/meta-data/iam/security-credentials/role": b'{"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c"}',
    "/packages/yagura-agent/latest": list(versions)[-1].encode(),
}

# What DynamoDB says of an empty table.
empty = {
    "Query": b'{"Items": [], "Count": 0, "ScannedCount": 0}',
    "BatchGetItem": b'{"Responses": {}, "UnprocessedKeys": {}}',
    "PutItem": b"{}",
    "TransactWriteItems": b"{}",
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.replace("%2B", "+")
        if path in fixed:
            body = fixed[path]
        else:
            version, name = path.split("/")[-2:]
            body = open(versions[version] + "/" + name, "rb").read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(empty[self.headers["X-Amz-Target"].split(".")[1]])


http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
