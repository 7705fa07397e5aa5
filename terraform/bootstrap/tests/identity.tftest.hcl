# Access to the pipeline's accounts, and protection of the state.

mock_provider "google" {}

# Only planned, because the test could not destroy the state.
override_resource {
  target          = google_iam_workload_identity_pool.github
  override_during = plan
  values          = { name = "projects/123456789012/locations/global/workloadIdentityPools/pool" }
}

run "identity" {
  command = plan

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_condition == "assertion.repository_owner_id == '${var.github.owner_id}' && assertion.repository == '${var.github.repository}'"
    error_message = "Workflows of other repositories are admitted."
  }

  assert {
    condition = google_iam_workload_identity_pool_provider.github.attribute_mapping == tomap({
      "attribute.environment" = "has(assertion.environment) ? assertion.environment : ''"
      "attribute.ref"         = "assertion.ref"
      "attribute.repository"  = "assertion.repository"
      "google.subject"        = "assertion.sub"
    })
    error_message = "An attribute is not GitHub's assertion about the workflow."
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.oidc[0].issuer_uri == "https://token.actions.githubusercontent.com"
    error_message = "Another issuer than GitHub may identify workflows."
  }

  assert {
    condition     = endswith(google_service_account_iam_member.ci_apply.member, "/attribute.environment/${var.github.environment}")
    error_message = "Jobs outside the GitHub environment may apply."
  }

  assert {
    condition     = endswith(google_service_account_iam_member.ci_plan.member, "/attribute.repository/${var.github.repository}")
    error_message = "Workflows of other repositories may plan."
  }

  assert {
    condition = alltrue([
      for role in values(google_project_iam_member.ci_plan)[*].role :
      contains(["roles/viewer", "roles/iam.securityReviewer"], role)
    ])
    error_message = "The planning account can change resources."
  }

  assert {
    condition = alltrue([
      for role in concat(values(google_project_iam_member.ci_apply)[*].role, local.delegated_roles) :
      !contains(["roles/owner", "roles/editor", "roles/resourcemanager.projectIamAdmin"], role)
    ])
    error_message = "The pipeline is an owner, or can become one."
  }

  assert {
    condition = [for condition in google_project_iam_member.ci_apply_grants.condition : condition.expression] == [
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
    error_message = "A lost state cannot be restored, or the bucket can be made public."
  }

  assert {
    condition = (
      jsonencode([
        for condition in google_storage_bucket.state.lifecycle_rule[0].condition :
        [condition.num_newer_versions, condition.days_since_noncurrent_time]
      ]) == "[[10,90]]" &&
      can(regex("(?m)^\\| `state` \\|[^|]*\\| all but ten old versions deleted after 90 days \\| 30 days \\|$", file("../README.md")))
    )
    error_message = "The README's row about the state bucket differs from its lifecycle."
  }

  assert {
    condition     = google_storage_bucket.state.project == var.state_project_id
    error_message = "The state is in a project where Spark's role reaches it."
  }

  assert {
    condition = (
      google_artifact_registry_repository.images.format == "DOCKER" &&
      alltrue([
        for policy in google_artifact_registry_repository.images.cleanup_policies :
        can(regex("^\\d+s$", policy.condition[0].older_than)) if policy.action == "DELETE"
      ])
    )
    error_message = "The registry's format or a cleanup policy is not one that the API knows."
  }

  assert {
    condition     = endswith(google_service_account_iam_member.ci_push.member, "/attribute.ref/refs/heads/main")
    error_message = "Other branches than main may push images."
  }

  assert {
    condition     = google_project_default_service_accounts.main.action == "DEPRIVILEGE"
    error_message = "Compute's default account is an editor."
  }

  # Immutable tags keep their images indefinitely.
  assert {
    condition = alltrue([
      toset(google_artifact_registry_repository.images.cleanup_policies[*].action) == toset(["DELETE", "KEEP"]),
      length(google_artifact_registry_repository.images.docker_config) == 0,
    ])
    error_message = "Images are kept indefinitely, or the newest are deleted."
  }
}

run "state_in_the_environments_project_is_rejected" {
  command = plan

  variables {
    state_project_id = var.project_id
  }

  expect_failures = [var.state_project_id]
}

run "owner_name_instead_of_id_is_rejected" {
  command = plan

  variables {
    github = { environment = "staging", owner_id = "acme", repository = "acme/stock_platform" }
  }

  expect_failures = [var.github]
}
