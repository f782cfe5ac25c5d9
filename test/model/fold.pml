// SPDX-License-Identifier: MIT
// A table becomes uniform, and folds into one entry of its parent, while others fault in it, fold
// it too, and unmap what is above.
// mutation FOLD_FROM_BELOW: the parent is locked by who holds the child
// mutation FOLD_LOOKS_BEFORE_LOCK: the table is not looked at again under its lock
// mutation NO_STALE: the folded table does not say so
// mutation NO_GRACE: it is freed while others have it in hand
// mutation NO_FLUSH: cached references to the table stay
#define SPACES 1
#define FRAMES 5
#define N 2
#include "protocol.pml"
#include "operations.pml"

proctype first() {
    CPU(0, 0);
    drop_frame(0, 0, LAZY);
    user_mode();
    fold(0);
    finish()
}
proctype second() {
    CPU(1, 0);
    fault(0, 0);
    finish()
}
proctype third() {
    CPU(2, 0);
    if
    :: fold(0)
    :: unmap_table(0)
    fi;
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        refs[2] = 1;
        kind[3] = PAGE;
        refs[3] = 1;
        SLOT(1, 0) = ENTRY(2, 1);
        SLOT(2, 0) = ENTRY(3, 1);
        SLOT(2, 1) = LAZY;
        running[0] = 7
    }
    atomic {
        run hardware(0);
        run hardware(1);
        run hardware(2);
        run first();
        run second();
        run third()
    }
}
