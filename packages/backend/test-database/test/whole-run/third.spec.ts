// One of several files that want the same template at the same time.
import "./specs.ts";
