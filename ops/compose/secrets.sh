#!/bin/sh
# Creates the secrets of compose.yaml in the folder `secrets`, once. Files that exist stay.
set -eu

cd "$(dirname "$0")"
umask 022
mkdir -p secrets
# Only the owner of the folder reaches the files; the users in the containers read them as they are mounted.
chmod 700 secrets

create() {
    if [ ! -e "secrets/$1" ]; then
        printf '%s\n' "$2" >"secrets/$1"
    fi
}

create postgres-password "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"
create database-url "postgres://gatewright:$(cat secrets/postgres-password)@postgres/gatewright"
create master-key "$(head -c 32 /dev/urandom | base64)"
