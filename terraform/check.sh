#!/usr/bin/env bash
# Validation and tests of each root with each environment's variables; nothing is applied. With the
# provider itself, or by its schema alone where the tool for that is there.
set -euo pipefail
cd "$(dirname "$0")"

offline=../../shared/tools/terraform-offline/terraform-offline

terraform fmt -check -recursive .
for root in . bootstrap; do
  if [ -x "$offline" ]; then
    "$offline" validate "$root"
  else
    terraform -chdir="$root" init -backend=false -input=false
    terraform -chdir="$root" validate
  fi
  for environment in dev staging prod; do
    variables=$PWD/$root/environments/$environment.tfvars
    if [ -x "$offline" ]; then
      "$offline" test "$root" -var-file "$variables"
    else
      terraform -chdir="$root" test -var-file="$variables"
    fi
  done
done
