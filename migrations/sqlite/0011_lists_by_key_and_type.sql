-- Lists that pages link to: what a key did, and events of a type.

CREATE INDEX audit_of_key ON audit (actor_key_id, audit_id) WHERE actor_key_id IS NOT NULL;
CREATE INDEX events_of_type ON events (event_type, event_id);
