-- Course requests of school 994 for 2027-2028: 3 requests, 1 alternates, 0 to delete.
-- Made by aeries_pipeline for eagle-usd. Take a backup of SSS first.
-- Run it as a whole in the database of the current school year, after Initialize Scheduling.
-- It may be run again: what is there already is left out.
-- Set @DryRun to 1 to see the counts of its last result and change nothing.
SET XACT_ABORT ON;
SET NOCOUNT ON;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
DECLARE @DryRun BIT = 0;
BEGIN TRANSACTION;

CREATE TABLE #requests (SC SMALLINT NOT NULL, SN INT NOT NULL, ID INT NOT NULL, SQ SMALLINT NOT NULL, CN VARCHAR(6) NOT NULL, PN VARCHAR(6) NOT NULL, ORD INT NOT NULL);
INSERT INTO #requests (SC, SN, ID, SQ, CN, PN, ORD) VALUES
    (994, 1, 99400001, 1001, '0001', '', 1),
    (994, 300, 99300007, 1001, '0315', '', 2),
    (994, 300, 99300007, 1002, '0608', '', 3);
CREATE TABLE #before (SC SMALLINT NOT NULL, SN INT NOT NULL, CN VARCHAR(6) NOT NULL);
INSERT INTO #before (SC, SN, CN)
SELECT w.SC, w.SN, w.CN FROM #requests AS w WHERE EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN)));
INSERT INTO SSS (SC, SN, SQ, CN, SE, TN, RT, [AT], AC, PL, DEL)
SELECT w.SC, w.SN, w.SQ, w.CN, 0, 0, '', '', '', '', 0
FROM #requests AS w
INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
INNER JOIN CRS AS c ON c.CN = w.CN AND c.DEL = 0
WHERE NOT EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN)))
AND NOT EXISTS (SELECT 1 FROM SSS AS k WITH (UPDLOCK, HOLDLOCK)
    WHERE k.SC = w.SC AND k.SN = w.SN AND k.SQ = w.SQ);
INSERT INTO SSS (SC, SN, SQ, CN, SE, TN, RT, [AT], AC, PL, DEL)
SELECT w.SC, w.SN,
    ISNULL(m.SQ, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD),
    w.CN, 0, 0, '', '', '', '', 0
FROM #requests AS w
INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
INNER JOIN CRS AS c ON c.CN = w.CN AND c.DEL = 0
LEFT JOIN (SELECT SC, SN, MAX(SQ) AS SQ FROM SSS WITH (UPDLOCK, HOLDLOCK) GROUP BY SC, SN) AS m
    ON m.SC = w.SC AND m.SN = w.SN
WHERE NOT EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN)));

CREATE TABLE #alternates (SC SMALLINT NOT NULL, SN INT NOT NULL, ID INT NOT NULL, SQ SMALLINT NOT NULL, CN VARCHAR(6) NOT NULL, PN VARCHAR(6) NOT NULL, ORD INT NOT NULL);
INSERT INTO #alternates (SC, SN, ID, SQ, CN, PN, ORD) VALUES
    (994, 300, 99300007, 1001, '0630', '0608', 1);
CREATE TABLE #alternates_before (SC SMALLINT NOT NULL, SN INT NOT NULL, CN VARCHAR(6) NOT NULL);
INSERT INTO #alternates_before (SC, SN, CN)
SELECT w.SC, w.SN, w.CN FROM #alternates AS w WHERE EXISTS (SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN AND a.DEL = 0 AND a.CN = w.CN);
INSERT INTO ACR (SC, SN, SQ, CN, SRT, DEL)
SELECT w.SC, w.SN, w.SQ, w.CN,
    ISNULL(m.SRT, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD), 0
FROM #alternates AS w
INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
INNER JOIN CRS AS c ON c.CN = w.CN AND c.DEL = 0
LEFT JOIN (SELECT SC, SN, MAX(SRT) AS SRT FROM ACR WITH (UPDLOCK, HOLDLOCK) GROUP BY SC, SN) AS m
    ON m.SC = w.SC AND m.SN = w.SN
WHERE NOT EXISTS (SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN AND a.DEL = 0 AND a.CN = w.CN)
AND NOT EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN)))
AND NOT EXISTS (SELECT 1 FROM ACR AS k WITH (UPDLOCK, HOLDLOCK)
    WHERE k.SC = w.SC AND k.SN = w.SN AND k.SQ = w.SQ);
INSERT INTO ACR (SC, SN, SQ, CN, SRT, DEL)
SELECT w.SC, w.SN,
    ISNULL(m.SQ, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD),
    w.CN,
    ISNULL(m.SRT, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD), 0
FROM #alternates AS w
INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
INNER JOIN CRS AS c ON c.CN = w.CN AND c.DEL = 0
LEFT JOIN (SELECT SC, SN, MAX(SQ) AS SQ, MAX(SRT) AS SRT FROM ACR WITH (UPDLOCK, HOLDLOCK)
    GROUP BY SC, SN) AS m ON m.SC = w.SC AND m.SN = w.SN
WHERE NOT EXISTS (SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN AND a.DEL = 0 AND a.CN = w.CN)
AND NOT EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN)));

INSERT INTO ACA (SC, SN, SQ, AQ, DEL)
SELECT w.SC, w.SN, s.SQ, a.SQ, 0
FROM #alternates AS w
INNER JOIN (SELECT SC, SN, CN, MIN(SQ) AS SQ FROM SSS WHERE DEL = 0 GROUP BY SC, SN, CN) AS s
    ON s.SC = w.SC AND s.SN = w.SN AND s.CN = w.PN
INNER JOIN (SELECT SC, SN, CN, MIN(SQ) AS SQ FROM ACR WHERE DEL = 0 GROUP BY SC, SN, CN) AS a
    ON a.SC = w.SC AND a.SN = w.SN AND a.CN = w.CN
WHERE NOT EXISTS (SELECT 1 FROM ACA AS l WHERE l.SC = w.SC AND l.SN = w.SN
    AND l.SQ = s.SQ AND l.AQ = a.SQ);

SELECT
    (SELECT COUNT(*) FROM #requests AS w) AS requests,
    (SELECT COUNT(*) FROM #before AS w) AS requests_there_before,
    (SELECT COUNT(*) FROM #requests AS w WHERE EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN)))) - (SELECT COUNT(*) FROM #before AS w) AS requests_inserted,
    (SELECT COUNT(*) FROM #requests AS w) - (SELECT COUNT(*) FROM #requests AS w WHERE EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN)))) AS requests_not_inserted,
    (SELECT COUNT(*) FROM #alternates AS w) AS alternates,
    (SELECT COUNT(*) FROM #alternates_before AS w) AS alternates_there_before,
    (SELECT COUNT(*) FROM #alternates AS w WHERE EXISTS (SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN AND a.DEL = 0 AND a.CN = w.CN)) - (SELECT COUNT(*) FROM #alternates_before AS w) AS alternates_inserted,
    (SELECT COUNT(*) FROM #alternates AS w) - (SELECT COUNT(*) FROM #alternates AS w WHERE EXISTS (SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN AND a.DEL = 0 AND a.CN = w.CN)) AS alternates_not_inserted;
DROP TABLE #requests;
DROP TABLE #before;
DROP TABLE #alternates;
DROP TABLE #alternates_before;
IF @DryRun = 1 ROLLBACK TRANSACTION;
ELSE COMMIT TRANSACTION;
