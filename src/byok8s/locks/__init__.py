"""Who uses a folder or a place in a bucket, so that two controllers do not, and none is kept out by a dead one."""
