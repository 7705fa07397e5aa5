variable "backup_project_id" {
  description = "The project that keeps the warehouse's snapshots; null for none, or for the environment's own."
  type        = string
  default     = null
}

variable "billing_account" {
  description = "Whose budgets the pipeline sets."
  type        = string
  nullable    = false
}

variable "github" {
  description = "Which repository may deploy, by name and by its owner's numeric ID, and from which GitHub environment."
  type = object({
    environment = string
    owner_id    = string
    repository  = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[0-9]+$", var.github.owner_id))
    error_message = "The numeric ID (gh api users/OWNER --jq .id): a name may change hands, an ID does not."
  }
}

variable "prefix" {
  description = "Starts every name, as in the environment's own variables."
  type        = string
  nullable    = false
}

variable "project_id" {
  description = "The environment's project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where the state and the images lie."
  type        = string
  nullable    = false
}

variable "state_project_id" {
  description = "The project that keeps Terraform's state. Not the environment's own: Spark's role reaches every bucket of that."
  type        = string
  nullable    = false

  validation {
    condition     = var.state_project_id != var.project_id
    error_message = "Another project than the environment's: whoever writes the state decides what the pipeline runs."
  }
}
