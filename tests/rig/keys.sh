#!/usr/bin/env bash
# keys.sh: makes keys, tokens and the kubeconfig of a new rig in the state folder; all of them are random and private.
source "$(dirname "$0")/common.sh"
umask 077
mkdir -p "$state/pki"; cd "$state/pki"

# Python 3.13 checks certificates strictly: the key usages and key identifiers below are what it asks for.
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 -subj /CN=rig-ca \
  -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
# certificate NAME SUBJECT USAGE [ALTERNATIVE NAMES]
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$1.crt" -days 3650 -extfile - 2>/dev/null <<END
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = $3
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
${4:+subjectAltName = $4}
END
}
certificate apiserver /CN=kube-apiserver serverAuth "IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default"
certificate kubelet "/CN=system:node:rig-node" serverAuth "IP:$address,DNS:rig-node"
certificate kubelet-client "/O=system:masters/CN=rig-components" clientAuth
openssl genrsa -out service-accounts.key 2048 2>/dev/null

# The API server knows its users by token. A line added here counts from its next start.
user() { local token; token=$(openssl rand -hex 16); echo "$token,$1,$1${2:+,$2}" >>tokens.csv; echo "$token"; }
rm -f tokens.csv
components=$(user rig-components system:masters)
admin=$(user admin system:masters)
tester=$(user tester)  # may do nothing: for tests of missing rights, which grant what they need
echo "Authorization: Bearer $components" >components.header

cluster="{name: rig, cluster: {server: 'https://127.0.0.1:6443', certificate-authority-data: $(base64 -w0 ca.crt)}}"
cat >../kubeconfig <<END
apiVersion: v1
kind: Config
clusters: [$cluster]
users:
- {name: rig, user: {token: $admin}}
- {name: rig-tester, user: {token: $tester}}
contexts:
- {name: rig, context: {cluster: rig, user: rig, namespace: default}}
- {name: rig-tester, context: {cluster: rig, user: rig-tester, namespace: default}}
current-context: rig
END
cat >components.kubeconfig <<END
apiVersion: v1
kind: Config
clusters: [$cluster]
users: [{name: components, user: {token: $components}}]
contexts: [{name: rig, context: {cluster: rig, user: components}}]
current-context: rig
END

printf 'export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n' "rig$(openssl rand -hex 8)" "$(openssl rand -hex 20)" >../s3.env
touch complete
