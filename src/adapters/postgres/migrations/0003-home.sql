-- The home whose local cluster this database's books are about: another one does not see its workers, and would call them gone.
alter table store add column home text;
