// Nobody may say anything here: a server that knows who looks gives another file of this name.
"use strict";

gallery.session(null);
