#!/usr/bin/env bash
# Format, validation and tests of both roots, with the variables of each environment. Nothing is
# applied. Terraform downloads the provider. Without a registry, set TERRAFORM_OFFLINE to a tool that
# has the provider's schemas, or put it on the PATH as `terraform-offline`.
set -euo pipefail
cd "$(dirname "$0")"

offline=${TERRAFORM_OFFLINE:-$(command -v terraform-offline || true)}
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
  if [ -n "$offline" ]; then
    "$offline" validate .
  else
    terraform init -backend=false -input=false || {
      echo "terraform init failed. Without a registry, set TERRAFORM_OFFLINE to a tool that has the provider's schemas." >&2
      exit 1
    }
    terraform validate
  fi
  for environment in dev staging prod; do
    echo "$root: tests of $environment"
    ln -sf "../environments/$environment.tfvars" tests/terraform.tfvars
    if [ -n "$offline" ]; then
      "$offline" test .
    else
      terraform test
    fi
  done
done
