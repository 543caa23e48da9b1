//! What is there of a spool takes no memory to be read.

use crate::allocations;
use overfall::spool::{Growth, Missing, Retain, Spool};
use std::io::{Read, SeekFrom, Write};

#[test]
fn what_is_there_of_a_spool_is_read_and_written_without_an_allocation() {
    for is_bounded in [false, true] {
        let mut builder = Spool::builder().growth(Growth::Constant { size: 1 << 12 });
        if is_bounded {
            builder = builder.retain(Retain::Last(1 << 14));
        }
        let spool = builder.build().unwrap();
        let mut writer = spool.writer().unwrap();
        // Half of the next segment is free, and in a bounded spool all others come again.
        writer.write_all(&[7; (5 << 12) + (1 << 11)]).unwrap();
        let mut reader = spool.weak_reader().unwrap();
        let mut blocking = reader.clone().blocking();
        let mut view = reader.clone().without_waiting(Missing::WouldBlock);
        let mut buffer = [0; 1000];
        let written = writer.written();
        let read = allocations(|| {
            for _ in 0..10 {
                assert_eq!(reader.try_read(&mut buffer).unwrap(), 1000);
                let lent = reader.try_fill_buf().unwrap().len();
                reader.consume(lent);
                blocking.read_exact(&mut buffer).unwrap();
                view.read_exact(&mut buffer).unwrap();
                assert_eq!(reader.try_read_at(&mut buffer, written - 1000), Ok(1000));
                let oldest = spool.len().saturating_sub(1 << 14);
                reader.try_seek(SeekFrom::Start(oldest)).unwrap();
            }
            assert_eq!(writer.try_write(&buffer), Ok(1000));
        });
        assert_eq!(read, 0, "{is_bounded}");
    }
}
