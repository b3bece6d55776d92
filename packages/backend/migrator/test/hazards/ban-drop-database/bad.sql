DROP DATABASE "reports";
