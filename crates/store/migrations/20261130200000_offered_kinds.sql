-- Which prompts and resources a gateway offers, as JSON like `allowed_tools`, and which kinds of things at all: what `offers`
-- does not mention is offered.
ALTER TABLE gateways ADD COLUMN offers TEXT NOT NULL DEFAULT '{}';
ALTER TABLE gateways ADD COLUMN allowed_prompts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE gateways ADD COLUMN allowed_resources TEXT NOT NULL DEFAULT '[]';
