// SPDX-License-Identifier: MIT
// A leaf table is unlinked and freed, and its frame used again, while others fault on its page, read
// it without a lock, and unmap it too. The second CPU's hardware caches what it finds.
// mutation NO_RECHECK: a table is used that was unlinked while its lock was waited for
// mutation NO_STALE: the unlinked table does not say so
// mutation NO_GRACE: caches are emptied, but walks under way not waited for
// mutation NO_FLUSH: walks are waited for, but nothing cached is forgotten
// mutation FREED_BEFORE_FLUSH: the table goes while others have it in hand
// mutation POINTER_KEPT_OVER_WAIT: a walk goes on with the table that it had before it waited
// mutation NO_ANSWER: who waits does not answer
// mutation UNLOCKED_BEFORE_FLUSH: the range is mapped again while old translations are about
#define SPACES 1
#define FRAMES 6
#define N 1
#include "protocol.pml"
#include "operations.pml"

proctype first() {
    CPU(0, 0);
    unmap_table(0);
    user_mode();
    map_large(0);
    user_mode();
    fault(0, 0);
    finish()
}
proctype second() {
    CPU(1, 0);
    fault(0, 0);
    user_mode();
    fault(0, 0);
    finish()
}
proctype third() {
    CPU(2, 0);
    if
    :: look_around()
    :: unmap_table(0)
    fi;
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        refs[2] = 1;
        SLOT(1, 0) = ENTRY(2, 1);
        SLOT(2, 0) = LAZY;
        running[0] = 7
    }
    atomic {
        run hardware(1);
        run hardware(2);
        run first();
        run second();
        run third()
    }
}
