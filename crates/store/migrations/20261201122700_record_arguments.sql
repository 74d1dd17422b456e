-- That and how a gateway records the arguments of requests, as JSON; nothing if it does not.
ALTER TABLE gateways ADD COLUMN record_arguments TEXT;
