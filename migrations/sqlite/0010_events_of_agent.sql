-- Lists of an agent's events, which would else read all of its tenant's.

CREATE INDEX events_of_agent ON events (agent_id, event_id) WHERE agent_id IS NOT NULL;
