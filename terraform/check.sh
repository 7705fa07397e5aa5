#!/usr/bin/env bash
# Validation and tests of each root with each environment's variables; nothing is applied. With the
# provider itself, or by its schema alone where the tool for that is there.
set -euo pipefail
cd "$(dirname "$0")"

offline=../../shared/tools/terraform-offline/terraform-offline
# An image's name is all that is looked at.
image="europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:$(printf '0%.0s' {1..64})"

terraform fmt -check -recursive .
for root in . bootstrap; do
  if [ -x "$offline" ]; then
    "$offline" validate "$root"
  else
    terraform -chdir="$root" init -backend=false -input=false
    terraform -chdir="$root" validate
  fi
  for environment in dev staging prod; do
    arguments=(-var-file "$PWD/$root/environments/$environment.tfvars")
    [ "$root" = bootstrap ] || arguments+=(-var "image=$image")
    if [ -x "$offline" ]; then
      "$offline" test "$root" "${arguments[@]}"
    else
      terraform -chdir="$root" test "${arguments[@]}"
    fi
  done
done
