"""The project's starting point: SQLAlchemy's ORM, one message at a time, a statement and a commit for every step, here
without the two seconds of simulated work.
"""

import json
import os
import sys
import uuid

import boto3
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from clock import Clock


class Base(DeclarativeBase):
    pass


class Job(Base):
    __tablename__ = "seed_jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    result: Mapped[str | None]


class OutboxMessage(Base):
    __tablename__ = "seed_outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    payload: Mapped[str]
    published: Mapped[bool]


engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://"))
sqs = boto3.client("sqs", region_name=os.environ["AWS_REGION"])
queue_url = os.environ["QUEUE_URL"]
jobs = int(os.environ["JOBS"])


def submit() -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for _ in range(jobs):
            job_id = str(uuid.uuid4())
            session.add(Job(id=job_id, status="PENDING", result=None))
            session.add(OutboxMessage(payload=json.dumps({"jobId": job_id}), published=False))
        session.commit()


def relay_once() -> None:
    with Session(engine) as session:
        waiting = select(OutboxMessage).where(OutboxMessage.published.is_(False)).order_by(OutboxMessage.id).limit(10)
        for message in session.scalars(waiting.with_for_update(skip_locked=True)):
            sqs.send_message(QueueUrl=queue_url, MessageBody=message.payload)
            message.published = True
        session.commit()


def work(clock: Clock) -> None:
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=1)
    for message in answer.get("Messages", []):
        job_id = json.loads(message["Body"])["jobId"]
        with Session(engine) as session:
            job = session.get(Job, job_id)
            if job is not None and job.status == "PENDING":
                job.status = "PROCESSING"
                session.commit()
                job.result = f"/reports/{job_id}.pdf"
                job.status = "SUCCESS"
                session.commit()
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        clock.tick()


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        submit()
        for _ in range(jobs // 10 + 1):
            relay_once()
    else:
        clock = Clock()
        while True:
            work(clock)
