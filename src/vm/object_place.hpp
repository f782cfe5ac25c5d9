// SPDX-License-Identifier: MIT
// Which page of an object an entry stands for.
#pragma once

#include "vm/ids.hpp"

namespace vm {

struct ObjectPlace {
    ObjectRef object;
    std::uint64_t base; ///< as in its attachment
    std::uint64_t index;
    bool is_private;

    ObjectPlace(const Attachment& attachment, VirtAddr page)
        : object(*attachment.object), base(attachment.base), index(attachment.index_of(page)),
          is_private(attachment.is_private) {}
    /// Whether an entry, which is not present, stands for the same attachment.
    bool is_named_by(Entry entry, const IdTable& ids) const {
        const Attachment& attachment = ids.at(entry.id());
        return attachment.object == object.get() && attachment.base == base &&
               attachment.is_private == is_private;
    }
};

} // namespace vm
