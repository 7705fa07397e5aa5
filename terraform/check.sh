#!/usr/bin/env bash
# Format, validation and tests of both roots, with the variables of each environment. Nothing is
# applied. Uses the provider's schemas from TERRAFORM_OFFLINE if that tool is installed, and the
# provider itself otherwise.
set -euo pipefail
cd "$(dirname "$0")"

offline=${TERRAFORM_OFFLINE:-$PWD/../../shared/tools/terraform-offline/terraform-offline}
if ! command -v terraform > /dev/null; then
  echo "terraform is not on the PATH. Install 1.11 or newer: https://developer.hashicorp.com/terraform/install" >&2
  exit 1
fi

terraform fmt -check -recursive .

# A copy, because `tests/terraform.tfvars` names the environment, and no option overrides it.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar --create --exclude=.terraform --directory=.. deploy terraform | tar --extract --directory="$copy"

for root in terraform terraform/bootstrap; do
  cd "$copy/$root"
  if [ -x "$offline" ]; then
    "$offline" validate .
  else
    terraform init -backend=false -input=false || {
      echo "terraform init failed. Without a network, set TERRAFORM_OFFLINE to a tool that has the provider's schemas." >&2
      exit 1
    }
    terraform validate
  fi
  for environment in dev staging prod; do
    echo "$root: tests of $environment"
    ln -sf "../environments/$environment.tfvars" tests/terraform.tfvars
    if [ -x "$offline" ]; then
      "$offline" test .
    else
      terraform test
    fi
  done
done
