variable "backup_project_id" {
  description = "The project that keeps the warehouse's snapshots; null for none, or for the environment's own."
  type        = string
  default     = null
}

variable "billing_account" {
  description = "Billing account of the budgets that the pipeline sets."
  type        = string
  nullable    = false
}

variable "github" {
  description = "The repository that may deploy, its owner's numeric ID, and its GitHub environment."
  type = object({
    environment = string
    owner_id    = string
    repository  = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[0-9]+$", var.github.owner_id))
    error_message = "The owner needs a numeric ID (gh api users/OWNER --jq .id), because a name can get another owner."
  }
}

variable "prefix" {
  description = "Start of every name, as in the platform's variables."
  type        = string
  nullable    = false
}

variable "project_id" {
  description = "The environment's project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the state and the images."
  type        = string
  nullable    = false
}

variable "state_project_id" {
  description = "The project that keeps Terraform's state. It must not be the environment's, because Spark's role reaches every bucket there."
  type        = string
  nullable    = false

  validation {
    condition     = var.state_project_id != var.project_id
    error_message = "The state needs another project than the environment's, because a writer of the state decides what the pipeline runs."
  }
}
