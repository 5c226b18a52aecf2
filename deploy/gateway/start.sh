#!/bin/sh
# Start the gateway of this folder: HTTPS when a certificate is mounted in tls/, else HTTP.
set -eu
here=$(dirname "$0")
site=nginx.conf
if [ -e "$here/tls/tls.crt" ]; then
	site=nginx-tls.conf
fi
exec nginx -e stderr -c "$here/$site" -g 'daemon off; pid /tmp/nginx.pid;'
