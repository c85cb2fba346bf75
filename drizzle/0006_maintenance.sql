CREATE TABLE `maintenance` (
	`database` text PRIMARY KEY NOT NULL,
	`reason` text NOT NULL,
	`since` text NOT NULL
);
