CREATE TABLE `suspectPacks` (
	`packId` text PRIMARY KEY NOT NULL
);
