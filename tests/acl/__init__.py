"""A real Redis with deploy/redis.conf and deploy/users.acl, and each of its users."""
