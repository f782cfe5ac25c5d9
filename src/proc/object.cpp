// SPDX-License-Identifier: MIT
// The end of objects, by kind.
#include "proc/object.hpp"

#include "proc/endpoint.hpp"
#include "proc/notification.hpp"
#include "proc/process.hpp"
#include "proc/resources.hpp"
#include "proc/thread.hpp"
#include "vm/heap.hpp"

namespace proc {

void Object::destroy(Object& object) {
    switch (object.kind_) {
    case ObjectKind::process: vm::heap_delete(static_cast<Process*>(&object)); return;
    case ObjectKind::thread: vm::heap_delete(static_cast<Thread*>(&object)); return;
    case ObjectKind::endpoint: vm::heap_delete(static_cast<Endpoint*>(&object)); return;
    case ObjectKind::notification: vm::heap_delete(static_cast<Notification*>(&object)); return;
    case ObjectKind::memory: vm::heap_delete(static_cast<MemoryObject*>(&object)); return;
    case ObjectKind::reply: static_cast<Reply&>(object).end(); return;
    case ObjectKind::console:
    case ObjectKind::power: break; // they stay as long as the machine runs
    }
    vm::port::panic("a permanent object lost its last reference");
}

} // namespace proc
