// SPDX-License-Identifier: MIT
// The structures that cross the system-call boundary. Sizes and layouts are part of the interface.
#pragma once

#include <cstddef>
#include <cstdint>

namespace abi {

/// A handle: an index into the process's handle table, with a generation above it. 0 is none.
using Handle = std::uint64_t;
inline constexpr Handle no_handle = 0;

/// What the holder of a handle may do with the object behind it.
enum Right : std::uint32_t {
    right_inspect = 1,    ///< read its state: maps, info, wait
    right_control = 2,    ///< change or end it: kill, priority, map into
    right_send = 4,       ///< endpoint: call; notification: signal
    right_receive = 8,    ///< endpoint: receive; notification: wait
    right_duplicate = 16, ///< make more handles of it, give it to others
    right_all = 31,
};

/// Rights to memory. Write implies read, execute implies read; write and execute never go together.
enum Access : std::uint32_t {
    access_none = 0,
    access_read = 1,
    access_write = 2,
    access_execute = 4,
    /// For `protect`, besides rights: the first access to each page comes up, once.
    access_watch = 8
};

/// Flags of `map`.
enum MapFlag : std::uint32_t {
    map_fixed = 1,     ///< exactly at the address; refused where something is mapped
    map_replace = 2,   ///< exactly at the address, over anything
    map_noreserve = 4, ///< not charged until touched
    map_guard = 8,     ///< a guard: allocated, never accessible
    map_down = 16,     ///< the highest free range that ends at or below the address (0: the end)
    map_grow = 32,     ///< more of the mapping that ends (with map_down: begins) at the address
    map_huge = 64,     ///< in pages of 2 MiB, where they fit and there are blocks of that size
    map_private = 128, ///< of `map_object`: what is written is the mapping's own
    /// The range fills from its end down, as a stack does, when it is touched; its lowest page
    /// stays a guard. Nothing is charged before.
    map_grows_down = 256,
    map_grows_up = 512, ///< the same from its beginning up; its highest page stays a guard
    map_move = 1024,    ///< of `share`: the caller loses it
};

/// The states of a run of pages, in the order of their names in `state_names`.
enum class State : std::uint8_t { empty, present, lazy, shared, file, callback, parked };
inline constexpr const char* state_names[] = {"empty", "present",  "lazy",  "shared",
                                              "file",  "callback", "parked"};

/// The kernel functions behind runs in state `callback`, by Run::id.
inline constexpr const char* callback_names[] = {
    "",
#define CALLBACK(id, function, words) words,
#include "abi/callbacks.def"
#undef CALLBACK
};

/// Where the memory of a run comes from.
enum class Origin : std::uint8_t { anonymous, file, window, callback };

/// A run of pages in equal state, as `query` and `nearest` give it.
struct Run {
    std::uint64_t start;   ///< address of the first byte
    std::uint64_t end;     ///< address after the last byte
    std::uint64_t present; ///< pages that have a frame (the shared zero frame included)
    std::uint64_t offset;  ///< of the first byte: in its object; of a window, in physical memory
    State state;
    Origin origin;
    std::uint8_t access; ///< Access bits
    std::uint8_t levels; ///< bit n: entries of level n+1 (4K 2M 1G 512G) make it up
    /// The object's number (its lower bits), the callback's id, or `clock_page_id`; 0 if none.
    std::uint32_t id;
};
static_assert(sizeof(Run) == 40);
/// Run::id of the clock page, whose origin is a window.
inline constexpr std::uint32_t clock_page_id = 1;

/// Direction of `nearest`.
enum class Direction : std::uint32_t { up, down };

/// A segment of a fresh process: memory at `address`, its first `bytes` copied from `source`
/// in the spawning process. Everything page-granular but `bytes`. Or pages of a memory object,
/// which are not copied before they are written.
struct PlanSegment {
    std::uint64_t address;
    std::uint64_t length;        ///< bytes, a multiple of the page size
    std::uint64_t source;        ///< address in the caller; ignored when bytes is 0
    std::uint64_t bytes;         ///< at most length - source_offset
    std::uint32_t source_offset; ///< offset from `address` at which the copied bytes begin
    std::uint32_t access;
    std::uint32_t flags; ///< MapFlag bits (noreserve, guard, grows_down, grows_up)
    std::uint32_t reserved;
    /// A memory object: `source` is where the segment begins in it, a multiple of the page size,
    /// and `bytes` 0.
    Handle object = no_handle;
};
static_assert(sizeof(PlanSegment) == 56);

inline constexpr unsigned plan_segment_limit = 32;
inline constexpr unsigned plan_handle_limit = 16;
inline constexpr unsigned name_limit = 32;

/// What `spawn` builds a process from. Nothing is inherited that is not named here.
struct SpawnPlan {
    char name[name_limit];  ///< zero-terminated
    std::uint64_t segments; ///< address of PlanSegment[segment_count]
    std::uint64_t segment_count;
    std::uint64_t handles; ///< address of Handle[handle_count]; the child gets copies, in order
    std::uint64_t handle_count;
    std::uint64_t entry;        ///< first thread: instruction pointer
    std::uint64_t stack;        ///< first thread: stack pointer
    std::uint64_t arguments[2]; ///< first thread: rdi, rsi
    std::uint32_t priority;
    std::uint32_t flags; ///< 0
    /// Pages that it and all that it starts may be charged together; 0: it shares the caller's
    /// limit. Never more than the caller's.
    std::uint64_t memory_limit = 0;
    /// Handles that it may have, and each that it starts; 0: as many as the caller. Never more.
    std::uint64_t handle_limit = 0;
    /// Where the clock page is mapped; 0: nowhere. See abi/clock_page.hpp.
    std::uint64_t clock_page = 0;
};

/// The child's handles are numbered in the order of the plan: the n-th given is
/// `initial_handle(n)`.
constexpr Handle initial_handle(unsigned n) { return n + 1; }

/// What `process_info` tells.
struct ProcessInfo {
    std::uint64_t id;
    char name[name_limit];
    std::uint64_t threads;
    std::uint64_t committed;    ///< pages charged
    std::uint64_t anonymous;    ///< private frames held
    std::uint64_t tables;       ///< page-table pages
    std::uint64_t faults;       ///< page faults resolved
    std::uint64_t time;         ///< nanoseconds of processor time
    std::uint64_t exited;       ///< 1 once it has ended
    std::int64_t status;        ///< exit status, when ended
    std::uint64_t memory_limit; ///< pages that it may be charged, with others that share the limit
    std::uint64_t handle_limit; ///< handles that it may have
};

/// What `machine_info` tells of memory: KiB but where it says counts. Printed by `free` in this
/// order.
#define TABULA_MEMORY_INFO(X)                                                                      \
    X(total, "total")                                                                              \
    X(free, "free")                                                                                \
    X(page_tables, "page-tables")                                                                  \
    X(reclaimable, "reclaimable")                                                                  \
    X(shared_tables, "shared-tables")                                                              \
    X(kernel, "kernel")                                                                            \
    X(anonymous, "anonymous")                                                                      \
    X(cache, "cache")                                                                              \
    X(committed, "committed")                                                                      \
    X(commit_limit, "commit-limit")

struct MemoryInfo {
#define TABULA_MEMORY_FIELD(name, words) std::uint64_t name;
    TABULA_MEMORY_INFO(TABULA_MEMORY_FIELD)
#undef TABULA_MEMORY_FIELD
};

/// What `machine_info` tells.
struct MachineInfo {
    std::uint64_t processors; ///< CPUs that run threads, numbered from 0
    MemoryInfo memory;
};

/// What `object_create` makes.
enum class ObjectKind : std::uint64_t { endpoint, notification, memory };

/// What `object_info` tells of a memory object.
struct ObjectInfo {
    std::uint64_t number;   ///< names it for good: Run::id is its lower half
    std::uint64_t bytes;    ///< its length
    std::uint64_t resident; ///< pages that have a frame
    std::uint64_t access;   ///< Access bits: what shared mappings by this handle may ever allow
};

/// Bytes of a full set of processors for `thread_affinity`.
inline constexpr std::size_t processor_set_bytes = 32;

/// A message: words and handles. Handles are copied to the receiver (right_duplicate needed).
inline constexpr unsigned message_words = 8;
inline constexpr unsigned message_handles = 4;
struct Message {
    std::uint64_t words[message_words]; ///< the first four travel in registers too
    Handle handles[message_handles];
    std::uint32_t handle_count;
    std::uint32_t sender; ///< filled by the kernel: the sender's process id
    Handle call;          ///< `reply_receive`: the call to answer, if one was kept; else no_handle
};

/// Words of a message that travel in registers.
inline constexpr unsigned register_words = 4;
/// Added to the address of a Message: this one is to be sent, not the words in registers alone.
inline constexpr std::uint64_t message_whole = 1;
static_assert(message_whole < alignof(Message));
/// In what was heard, above the 32 bits of the sender's process id: the Message was written.
inline constexpr std::uint64_t heard_whole = 1ULL << 32;
/// Where a handle is asked for: the call that the thread received last and has not answered.
inline constexpr Handle received_call = 1ULL << 63;

/// Exit status of a process that the kernel ended.
inline constexpr std::int64_t status_killed = -1;
inline constexpr std::int64_t status_fault = -2;

/// Thread priorities: higher runs first; equal ones take turns.
inline constexpr unsigned priority_count = 32;
inline constexpr unsigned priority_default = 16;

/// `system_power` actions.
enum class Power : std::uint32_t { off, reboot, exit_success, exit_failure };

/// The handles that the first process, init, gets, in this order (`initial_handle(n)`).
enum InitHandle : unsigned { init_console, init_power, init_archive, init_handle_count };

} // namespace abi
