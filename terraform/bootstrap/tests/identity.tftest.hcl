# Who may become the pipeline's accounts, and that the state outlives a mistake. Run with
# -var-file environments/NAME.tfvars.

mock_provider "google" {}

# Planned only: a state that may not be destroyed could not be tidied away.
override_resource {
  target          = google_iam_workload_identity_pool.github
  override_during = plan
  values          = { name = "projects/123456789012/locations/global/workloadIdentityPools/pool" }
}

run "identity" {
  command = plan

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_condition == "assertion.repository_owner_id == '${var.github.owner_id}' && assertion.repository == '${var.github.repository}'"
    error_message = "Workflows of other repositories are let in."
  }

  assert {
    condition = google_iam_workload_identity_pool_provider.github.attribute_mapping == tomap({
      "attribute.environment" = "has(assertion.environment) ? assertion.environment : ''"
      "attribute.ref"         = "assertion.ref"
      "attribute.repository"  = "assertion.repository"
      "google.subject"        = "assertion.sub"
    })
    error_message = "A workflow is taken for another than GitHub says it is."
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.oidc[0].issuer_uri == "https://token.actions.githubusercontent.com"
    error_message = "Somebody else than GitHub says which workflow it is."
  }

  assert {
    condition     = endswith(google_service_account_iam_member.ci_apply.member, "/attribute.environment/${var.github.environment}")
    error_message = "Jobs outside the GitHub environment may apply."
  }

  assert {
    condition     = endswith(google_service_account_iam_member.ci_plan.member, "/attribute.repository/${var.github.repository}")
    error_message = "Others than the repository's workflows may plan."
  }

  assert {
    condition = alltrue([
      for it in values(google_project_iam_member.ci_plan)[*].role :
      contains(["roles/viewer", "roles/iam.securityReviewer"], it)
    ])
    error_message = "Whoever plans may change something."
  }

  assert {
    condition = alltrue([
      for it in concat(values(google_project_iam_member.ci_apply)[*].role, local.delegated_roles) :
      !contains(["roles/owner", "roles/editor", "roles/resourcemanager.projectIamAdmin"], it)
    ])
    error_message = "The pipeline is, or can make itself, an owner."
  }

  assert {
    condition = [for it in google_project_iam_member.ci_apply_grants.condition : it.expression] == [
      "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['${join("', '", local.delegated_roles)}'])",
    ]
    error_message = "The pipeline may grant more than the platform's own roles."
  }

  assert {
    condition = alltrue([
      google_storage_bucket.state.versioning[0].enabled,
      google_storage_bucket.state.uniform_bucket_level_access,
      google_storage_bucket.state.public_access_prevention == "enforced",
      google_storage_bucket.state.soft_delete_policy[0].retention_duration_seconds == 30 * 86400,
    ])
    error_message = "A lost state could not be brought back, or could be made public."
  }

  assert {
    condition     = google_storage_bucket.state.project == var.state_project_id
    error_message = "The state lies where Spark's role reaches it."
  }

  assert {
    condition     = endswith(google_service_account_iam_member.ci_push.member, "/attribute.ref/refs/heads/main")
    error_message = "Other branches than main may push images."
  }

  assert {
    condition     = google_project_default_service_accounts.main.action == "DEPRIVILEGE"
    error_message = "An account that nobody uses is an editor."
  }

  # Tags that cannot be moved keep their images for ever.
  assert {
    condition = alltrue([
      toset(google_artifact_registry_repository.images.cleanup_policies[*].action) == toset(["DELETE", "KEEP"]),
      length(google_artifact_registry_repository.images.docker_config) == 0,
    ])
    error_message = "Images are kept for ever, or the newest are not."
  }
}

run "the_state_lies_elsewhere" {
  command = plan

  variables {
    state_project_id = var.project_id
  }

  expect_failures = [var.state_project_id]
}

run "an_owner_s_name_is_no_id" {
  command = plan

  variables {
    github = { environment = "staging", owner_id = "acme", repository = "acme/stock_platform" }
  }

  expect_failures = [var.github]
}
