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
