# Calls people when a month's bill comes near the budget, or is on its way there. Google's figures
# are up to a day late; the alert `budget` in monitoring.tf is the early one.

resource "google_billing_budget" "monthly" {
  billing_account = var.budget.billing_account
  display_name    = "${var.prefix} monthly"

  budget_filter {
    projects               = ["projects/${data.google_project.this.number}"]
    calendar_period        = "MONTH"
    credit_types_treatment = "EXCLUDE_ALL_CREDITS"
  }

  amount {
    specified_amount {
      units = var.budget.monthly
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]
    content {
      threshold_percent = threshold_rules.value
      spend_basis       = "CURRENT_SPEND"
    }
  }

  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    # Budgets take e-mail channels only, five at most.
    monitoring_notification_channels = [for it in google_monitoring_notification_channel.email : it.id]
    disable_default_iam_recipients   = true
  }
}
