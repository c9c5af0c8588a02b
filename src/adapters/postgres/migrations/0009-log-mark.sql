-- What a cluster needs, beside the offset, to go on reading a log after a restart: Kubernetes reads by time.
alter table log_cursor add column mark text;
