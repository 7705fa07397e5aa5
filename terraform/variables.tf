variable "alerts" {
  description = "Receivers of the alerts in monitoring.tf: e-mail addresses, and IDs of existing channels (a pager, a chat)."
  type = object({
    channels = optional(list(string), [])
    emails   = list(string)
  })
  nullable = false
}

variable "backup" {
  description = "Project and retention of the warehouse's daily snapshots; null for none. The project may be another one, in the same region."
  type = object({
    project_id     = string
    retention_days = optional(number, 35)
  })
  default = null
}

variable "budget" {
  description = "Monthly budget in the billing account's currency. It sends alerts and stops nothing."
  type = object({
    billing_account = string
    monthly         = number
  })
  nullable = false
}

variable "cmek" {
  description = "Whether a customer-managed key encrypts all data at rest. It can be turned on later, not off."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(var.cmek && var.dual_region != null)
    error_message = "The key is in the region, but buckets in two regions need a key of the multi-region."
  }
}

variable "database" {
  description = "Cloud SQL instance of Dagster's runs and events: machine, and whether it has a standby in a second zone."
  type = object({
    high_availability = optional(bool, false)
    retained_backups  = optional(number, 7)
    tier              = optional(string, "db-f1-micro")
  })
  default  = {}
  nullable = false
}

variable "dual_region" {
  description = "Two regions for the lake's buckets with turbo replication, and the multi-region that contains them; null for one region. It cannot be changed later."
  type = object({
    location = string
    regions  = list(string)
  })
  default = null

  validation {
    condition     = var.dual_region == null || contains(try(var.dual_region.regions, []), upper(var.region))
    error_message = "BigQuery loads from a dual region only if it contains the dataset's region."
  }
}

variable "environment" {
  description = "dev may be destroyed; staging and prod are protected."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "The environment is one of dev, staging, prod."
  }
}

variable "image" {
  description = "The platform's container image, by digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9./_-]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "The image needs a digest, because tags move: REGISTRY/NAME@sha256:DIGEST."
  }
}

variable "log_retention_days" {
  description = "Retention of Cloud Logging; the first 30 days are free."
  type        = number
  default     = 30
  nullable    = false
}

variable "operators" {
  description = "Members who may open a shell and the UI through IAP: group:..., user:..."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "orchestrator" {
  description = "Dagster's machine; the default zone is the region's zone b."
  type = object({
    machine_type = optional(string, "e2-medium")
    zone         = optional(string)
  })
  default  = {}
  nullable = false
}

variable "prefix" {
  description = "Start of every name. Bucket names are global, so choose a rare prefix."
  type        = string
  nullable    = false

  validation {
    # Account IDs have 30 characters at most, and "-orchestrator" takes 13.
    condition     = can(regex("^[a-z][a-z0-9-]{2,15}[a-z0-9]$", var.prefix))
    error_message = "The prefix has 4 to 17 lower-case letters, digits and dashes, and starts with a letter."
  }
}

variable "project_id" {
  description = "The environment's own project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of all resources. Batches and loads never leave it."
  type        = string
  nullable    = false
}

variable "repository_url" {
  description = "URL of the repository, for the links from alerts to runbooks."
  type        = string
  nullable    = false
}

variable "settings" {
  description = "Variables of the platform that differ from the defaults: STOCK_PLATFORM_EXCHANGES, STOCK_PLATFORM_DATAPROC__MAX_EXECUTORS."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^STOCK_PLATFORM_[A-Z_]+$", name))])
    error_message = "Settings need their full names: STOCK_PLATFORM_EXCHANGES."
  }

  validation {
    condition     = alltrue([for value in values(var.settings) : can(regex("^[^'\n]*$", value))])
    error_message = "A value is one line without single quotes."
  }

  validation {
    condition     = length(setintersection(keys(var.settings), local._written)) == 0
    error_message = "Terraform sets these from other variables or secrets: ${join(", ", local._written)}."
  }
}
