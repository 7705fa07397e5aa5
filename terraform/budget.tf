# Alerts when the bill of a month is near the budget, or is forecast to reach it. Google's figures
# are up to a day late; the alert `budget` in monitoring.tf is earlier.

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
    # Budgets accept at most five channels, all of them e-mail.
    monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
    disable_default_iam_recipients   = true
  }
}
