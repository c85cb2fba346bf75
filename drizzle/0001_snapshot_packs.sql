CREATE TABLE `snapshotPacks` (
	`snapshotId` text NOT NULL,
	`packId` text NOT NULL,
	PRIMARY KEY(`snapshotId`, `packId`)
);
--> statement-breakpoint
CREATE INDEX `snapshotPacks_pack` ON `snapshotPacks` (`packId`);
--> statement-breakpoint
INSERT INTO `snapshotPacks` SELECT `id`, `id` FROM `snapshots` WHERE `status` IN ('COMPLETED', 'SUCCESS');
