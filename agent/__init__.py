"""The printer's side: capture, driver, deadlines, uplink, recording and service. Needs nothing of the cloud."""
