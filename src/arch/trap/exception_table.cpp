// SPDX-License-Identifier: MIT
// A search in .extable, which has a handful of records.
#include "arch/trap/exception_table.hpp"

namespace arch {

extern "C" {
extern const ExceptionRecord extable_start[];
extern const ExceptionRecord extable_end[];
}

const ExceptionRecord* find_exception_record(std::uint64_t instruction) {
    for (const ExceptionRecord* record = extable_start; record != extable_end; ++record) {
        if (instruction >= record->start && instruction < record->end) return record;
    }
    return nullptr;
}

} // namespace arch
