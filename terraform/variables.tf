variable "alerts" {
  description = "Who gets the alerts of monitoring.tf: e-mail addresses, and IDs of channels made elsewhere (a pager, a chat)."
  type = object({
    channels = optional(list(string), [])
    emails   = list(string)
  })
  nullable = false
}

variable "backup" {
  description = "Where daily snapshots of the warehouse are kept, and for how long; null for none. The project may be another one, its region is this one's."
  type = object({
    project_id     = string
    retention_days = optional(number, 35)
  })
  default = null
}

variable "budget" {
  description = "Monthly budget in the billing account's currency. It calls people; it stops nothing."
  type = object({
    billing_account = string
    monthly         = number
  })
  nullable = false
}

variable "cmek" {
  description = "Whether a key of our own encrypts all data at rest. It can be turned on later, not off."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(var.cmek && var.dual_region != null)
    error_message = "The key lies in the region; buckets of two regions would need one of the multi-region."
  }
}

variable "database" {
  description = "Cloud SQL of Dagster's runs and events: machine, and whether a second zone stands by."
  type = object({
    high_availability = optional(bool, false)
    retained_backups  = optional(number, 7)
    tier              = optional(string, "db-f1-micro")
  })
  default  = {}
  nullable = false
}

variable "dual_region" {
  description = "Two regions for the lake's buckets with turbo replication, and the multi-region around them; null for the one region. It cannot be changed later."
  type = object({
    location = string
    regions  = list(string)
  })
  default = null

  validation {
    condition     = var.dual_region == null || contains(try(var.dual_region.regions, []), upper(var.region))
    error_message = "BigQuery loads from a dual region only where it includes the dataset's region."
  }
}

variable "environment" {
  description = "dev may be torn down; staging and prod are protected."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "One of dev, staging, prod."
  }
}

variable "image" {
  description = "The platform's container image, by digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9./_-]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "A full reference by digest: REGISTRY/NAME@sha256:DIGEST. Tags move."
  }
}

variable "log_retention_days" {
  description = "How long Cloud Logging keeps logs; the first 30 days cost nothing."
  type        = number
  default     = 30
  nullable    = false
}

variable "operators" {
  description = "Who may open a shell and the UI through IAP: group:..., user:..."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "orchestrator" {
  description = "Dagster's machine; the zone is by default the region's b."
  type = object({
    machine_type = optional(string, "e2-medium")
    zone         = optional(string)
  })
  default  = {}
  nullable = false
}

variable "prefix" {
  description = "Starts every name. Buckets share one namespace with the whole world: choose a rare one."
  type        = string
  nullable    = false

  validation {
    # Account IDs have 30 characters at most, and "-orchestrator" takes 13.
    condition     = can(regex("^[a-z][a-z0-9-]{2,15}[a-z0-9]$", var.prefix))
    error_message = "4 to 17 lower-case letters, digits and dashes, from a letter on."
  }
}

variable "project_id" {
  description = "The environment's own project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where everything lies. Batches and loads never cross it."
  type        = string
  nullable    = false
}

variable "repository_url" {
  description = "Where alerts find their runbooks."
  type        = string
  nullable    = false
}

variable "settings" {
  description = "What the platform has otherwise than by default, by its variables: STOCK_PLATFORM_EXCHANGES, STOCK_PLATFORM_DATAPROC__MAX_EXECUTORS."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^STOCK_PLATFORM_[A-Z_]+$", name))])
    error_message = "Names are whole: STOCK_PLATFORM_EXCHANGES."
  }

  validation {
    condition     = alltrue([for value in values(var.settings) : can(regex("^[^'\n]*$", value))])
    error_message = "A value is one line without a single quote."
  }

  validation {
    condition     = length(setintersection(keys(var.settings), local._written)) == 0
    error_message = "These are written from other variables, or secrets: ${join(", ", local._written)}."
  }
}
