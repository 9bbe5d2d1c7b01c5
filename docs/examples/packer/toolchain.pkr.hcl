# An image step: the toolchain from a signed bundle. With another source than `null` and the provisioner `shell`, after a `file`
# provisioner has uploaded tlsfloor, the bundle and the key, the same line runs in the machine that becomes the image.
variable "tlsfloor" {
  type    = string
  default = "tlsfloor"
}

variable "bundle" { # a folder, https://... or oci://...
  type = string
}

variable "key" {
  type = string
}

variable "root" { # the image's root folder; "/" in the machine itself
  type    = string
  default = "/"
}

source "null" "image" {
  communicator = "none"
}

build {
  sources = ["source.null.image"]

  provisioner "shell-local" {
    inline = [
      "'${var.tlsfloor}' install -from='${var.bundle}' -key='${var.key}' -root='${var.root}' -quiet",
      "'${var.tlsfloor}' status -root='${var.root}'",
    ]
  }
}
