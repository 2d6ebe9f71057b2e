"""Device provisioning: a device that knows only the cloud's scope and a secret of its maker gets its identity.

The Device Provisioning Service's protocol (contract 12) on the hub's own ports. `enrolment` says who may come,
`applicant` judges who comes, `assignments` gives them a device in the registry, and `provisioning` puts these
together for the heads that speak MQTT and HTTPS.
"""
