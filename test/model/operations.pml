// SPDX-License-Identifier: MIT
// Operations on tables that have one parent, as Transaction does them: a fault, a range operation,
// unlinking and freeing a table, folding.

// An entry changes only in a table that is linked, under its lock.
#define OWNED(table, i) (lock[table] == me + 1 && FRAME(SLOT(ROOT(s), i)) == table)

#ifdef LINKED_BEFORE_FILLED
#define LINK(i)                  \
    SLOT(top, i) = ENTRY(t, 1);  \
    d_step { SLOT(t, 0) = LAZY; SLOT(t, N - 1) = LAZY }
#else
#define LINK(i)                                          \
    d_step { SLOT(t, 0) = LAZY; SLOT(t, N - 1) = LAZY }  \
    SLOT(top, i) = ENTRY(t, 1)
#endif

// A touch of page j below slot i of the root. Splits a large entry; a spurious fault does nothing.
inline fault(i, j) {
    lock_page(i, 1);
    if
    :: top != ROOT(s) -> t = top
    :: top == ROOT(s) && SLOT(top, i) == LAZY ->
        allocate(t, TABLE);
        lock[t] = me + 1;
        LINK(i)
    :: else -> t = FRAME(SLOT(top, i))
    fi;
    if
    :: t != 0 && SLOT(t, j) == LAZY ->
        allocate(p, PAGE);
        d_step {
            assert(OWNED(t, i) && SLOT(t, j) == LAZY);
            assert(j != 0 || i != 0 || UNCACHED(s)); // nobody meets what was mapped here before
            SLOT(t, j) = ENTRY(p, 1)
        }
    :: else
    fi;
    if
    :: t != 0 && t != top -> drop(t)
    :: else
    fi;
    drop(top);
    atomic { e = 0; t = 0; p = 0; top = 0 }
}

// A read without a lock that knows that all of the slot is mapped.
inline must_be_mapped(i, j) {
    d_step { e = SLOT(ROOT(s), i); hand[me] = FRAME(e) }
    if
    :: hand[me] != 0 ->
        d_step { assert(kind[hand[me]] == TABLE && SLOT(hand[me], j) != EMPTY); hand[me] = 0 }
    :: else -> assert(e != EMPTY)
    fi;
    e = 0
}

#ifdef FREED_BEFORE_FLUSH
#define FREE_EARLY(table) dismantle(table); table = 0
#else
#define FREE_EARLY(table) skip
#endif

// The flush comes under the lock, and nothing old is cached when it is given up.
#ifdef UNLOCKED_BEFORE_FLUSH
#define UNLOCK_EARLY(table) drop(table)
#define UNLOCK_AFTER_FLUSH(table, cached) skip
#else
#define UNLOCK_EARLY(table) skip
#define UNLOCK_AFTER_FLUSH(table, cached)  \
    assert(!(cached) || COHERENT(s));      \
    drop(table)
#endif

// Takes the table below slot i out of the map with all it holds, or the large entry.
inline unmap_table(i) {
    take(ROOT(s));
    t = FRAME(SLOT(ROOT(s), i));
    if
    :: t != 0 ->
        take(t); // Transaction::lock_below
        SLOT(ROOT(s), i) = EMPTY;
        retire(t);
        FREE_EARLY(t);
        UNLOCK_EARLY(ROOT(s));
        flush(1 << s);
        UNLOCK_AFTER_FLUSH(ROOT(s), i == 0);
        if
        :: t != 0 -> dismantle(t); t = 0
        :: else
        fi
    :: else -> SLOT(ROOT(s), i) = EMPTY; drop(ROOT(s))
    fi
}

// Whoever waits for the lock of an unlinked table starts its walk again.
#ifdef NO_STALE
#define MARK_STALE(table) skip
#else
#define MARK_STALE(table) stale[table] = 1
#endif
inline retire(table) { d_step { MARK_STALE(table); lock[table] = 0 } }

// Maps the hole that a search found, if it still is one.
inline map_large(i) {
    take(ROOT(s));
    if
    :: SLOT(ROOT(s), i) == EMPTY -> SLOT(ROOT(s), i) = LAZY
    :: else
    fi;
    drop(ROOT(s))
}

// Drops one page's frame and leaves `left` in its place: EMPTY (unmap) or LAZY (discard).
inline drop_frame(i, j, left) {
    lock_page(i, 1);
    if
    :: top != ROOT(s) && FRAME(SLOT(top, j)) != 0 ->
        d_step { assert(OWNED(top, i)); p = FRAME(SLOT(top, j)); SLOT(top, j) = left }
        UNLOCK_EARLY(top);
        flush(1 << s);
        UNLOCK_AFTER_FLUSH(top, i == 0 && j == 0);
        drop_page(p)
    :: else -> drop(top)
    fi;
    d_step { e = 0; p = 0; top = 0 }
}

#define UNIFORM(table) (FRAME(SLOT(table, 0)) == 0 && SLOT(table, 0) == SLOT(table, N - 1))
#ifdef FOLD_FROM_BELOW
#define LOCK_ONE(i)       \
    lock_page(i, 1);      \
    t = (top != ROOT(s) -> top : 0)
#define LOCK_OTHER take(ROOT(s))
#else
#define LOCK_ONE(i) \
    take(ROOT(s));  \
    t = FRAME(SLOT(ROOT(s), i))
#define LOCK_OTHER take(t)
#endif
#ifdef FOLD_LOOKS_BEFORE_LOCK
#define LOOK_EARLY x = (t != 0 && UNIFORM(t))
#define LOOK skip
#else
#define LOOK_EARLY skip
#define LOOK x = (t != 0 && UNIFORM(t))
#endif

// A table whose entries are all alike becomes one entry. Begun with no lock held; the parent first.
inline fold(i) {
    LOCK_ONE(i);
    LOOK_EARLY;
    if
    :: t != 0 -> LOCK_OTHER
    :: else
    fi;
    LOOK;
    if
    :: x ->
        d_step { assert(OWNED(t, i) && UNIFORM(t)); SLOT(ROOT(s), i) = SLOT(t, 0) }
        retire(t);
        flush(1 << s);
        drop(ROOT(s));
        dismantle(t)
    :: else ->
        if
        :: t != 0 -> drop(t)
        :: else
        fi;
        drop(ROOT(s))
    fi;
    d_step { e = 0; t = 0; x = 0; top = 0 }
}
