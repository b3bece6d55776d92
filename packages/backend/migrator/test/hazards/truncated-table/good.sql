TRUNCATE "drafts";
