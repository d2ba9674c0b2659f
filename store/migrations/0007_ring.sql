-- The ring document is agreed by a majority of the shards: each keeps one acceptor of the register. (counter, by) is a
-- ballot; doc is what was accepted with the accepted one, NULL if nothing was.
CREATE TABLE control.ring_acceptor (
    one              bool PRIMARY KEY DEFAULT true CHECK (one),
    promised_counter bigint NOT NULL DEFAULT 0,
    promised_by      text NOT NULL DEFAULT '' COLLATE "C",
    accepted_counter bigint NOT NULL DEFAULT 0,
    accepted_by      text NOT NULL DEFAULT '' COLLATE "C",
    doc              jsonb
);

-- Systems from before keep their map; all shards make the same first document of it.
INSERT INTO control.ring_acceptor (doc)
    SELECT jsonb_build_object('version', 1, 'prev', '', 'map', d.doc,
        'seats', (SELECT jsonb_agg(jsonb_build_object('id', s, 'addr', '@' || s, 'term', 1) ORDER BY s COLLATE "C") FROM jsonb_array_elements_text(d.doc -> 'shards') s),
        'acceptors', d.doc -> 'shards')
    FROM control.ring_document d;
DROP TABLE control.ring_document;

-- One row that is written to find out how long a small durable write takes here; see reshard.Probe.
CREATE TABLE control.probe (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    n   bigint NOT NULL DEFAULT 0
);
INSERT INTO control.probe DEFAULT VALUES;

-- As before, and a refusal tells why: [[partition, state, peer], …] of those that are not active here, so that whoever
-- has to go elsewhere need not ask. The states are read while the locks are held.
CREATE OR REPLACE FUNCTION control.gate(ps int[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    p        int;
    n        int;
    noting   bool;
    ignored  text;
BEGIN
    FOREACH p IN ARRAY ps LOOP
        IF pg_advisory_xact_lock_shared(77, p) IS NULL THEN
            RAISE EXCEPTION 'no lock';
        END IF;
    END LOOP;
    SELECT count(*), bool_or(o.capture) INTO n, noting
        FROM control.partition_owner o WHERE o.partition = ANY (ps) AND o.state = 'active';
    IF n <> cardinality(ps) THEN
        RAISE EXCEPTION 'partition not active here' USING ERRCODE = 'GR001', DETAIL = (
            SELECT coalesce(json_agg(json_build_array(w.part, coalesce(o.state, ''), coalesce(o.peer, '')) ORDER BY w.part), '[]')::text
            FROM unnest(ps) w(part) LEFT JOIN control.partition_owner o ON o.partition = w.part
            WHERE o.state IS DISTINCT FROM 'active');
    END IF;
    -- A transaction may pass for more partitions later.
    ignored := set_config('gori.gate', coalesce(current_setting('gori.gate', true), '') || '/' || array_to_string(ps, '/') || '/', true);
    IF noting THEN
        ignored := set_config('gori.capture', 'on', true);
    END IF;
END $$;
