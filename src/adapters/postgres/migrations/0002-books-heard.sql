-- How often facts of an attempt came in: facts that come while its books are being written reopen what was written.
alter table attempt_books add column heard bigint not null default 0;
